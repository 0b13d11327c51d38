/// The version of all programs of this package, as `--version` and CSI GetPluginInfo give it.
package enum ProgramVersion {
  package static let text = "0.1.0"
}
