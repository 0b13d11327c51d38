import HTTP
import LinuxSystem
import SystemPackage

/// How a worker for an object store gives up what it does not need: it becomes the owner of its page folder, without any
/// capability, and keeps its descriptors, the network, and the files that name servers and certificates are found by.
///
/// Restrictions of files and system calls hold for the calling thread and those that it makes: this is done while there is
/// no other.
enum StoreConfinement {
  /// What a worker must not go on without.
  enum Problem: Error, CustomStringConvertible {
    case library(HTTPError)
    case folderMissing
    case identity(uid: UInt32, Errno)

    var description: String {
      switch self {
      case .library(let error): error.message
      case .folderMissing: "the volume came without its page folder: bring mounter and worker to one version"
      case .identity(let uid, let error): "the worker cannot become user \(uid): \(error)"
      }
    }
  }

  /// - Parameters:
  ///   - folder: of the volume in the page store.
  ///   - sharedPages: that the volume keeps its pages in together with others, whose group it joins.
  ///   - environment: of the node; names files with its credentials.
  /// - Returns: what could not be given up, for the log.
  static func apply(
    folder: borrowing Descriptor, sharedPages: borrowing Descriptor?, environment: [String: String]
  ) throws(Problem) -> [String] {
    // From here on no library can be relied on to be found.
    do throws(HTTPError) { try HTTPClient.preload() } catch { throw .library(error) }
    let owner: FileStatus
    do throws(Errno) { owner = try folder.status() } catch { throw .identity(uid: 0, error) }
    let number = folder.rawValue
    var restriction = FileRestriction()
    restriction.readable = files + credentialFiles(environment)
    restriction.writable = [number]
    var group: UInt32?
    switch sharedPages {
    case .some(let pages):
      restriction.writable.append(pages.rawValue)
      do throws(Errno) { group = try pages.status().gid } catch { throw .identity(uid: owner.uid, error) }
    case .none: break
    }
    var failures = ProcessSettings.attempt([
      ("landlock", { () throws(Errno) in try restriction.apply() }),
      ("bounding set", { () throws(Errno) in try Capabilities.clearBounding() }),
    ])
    do throws(Errno) { try ProcessIdentity.become(uid: owner.uid, gid: owner.gid, group: group) } catch {
      throw .identity(uid: owner.uid, error)
    }
    failures += ProcessSettings.attempt([
      ("capabilities", { () throws(Errno) in try Capabilities.dropAll() }),
      ("dumpable", { () throws(Errno) in try ProcessAttributes.setDumpable(false) }),
      ("seccomp, fetching", { () throws(Errno) in try SystemCallFilter.denyAllButFetching() }),
    ])
    return failures
  }

  /// What finding a server and trusting it takes, on any distribution; what is not there is left out.
  ///
  /// A right to a file is one to its inode: of a file that a rename replaces the new one cannot be opened. The C library then
  /// asks 127.0.0.1 for names, as without any resolv.conf (*measured*, glibc 2.36). So the folders are given in which
  /// resolvers keep nothing else; all of /etc is not.
  private static let files = [
    "/etc/resolv.conf", "/run/systemd/resolve", "/run/resolvconf", "/run/netconfig", "/etc/hosts", "/etc/host.conf",
    "/etc/nsswitch.conf", "/etc/gai.conf",
    "/etc/services", "/etc/protocols",
    "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/usr/lib/ssl", "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    // Modules of the name service, which are loaded with the first name that is looked up.
    "/etc/ld.so.cache", "/usr/lib", "/usr/lib64", "/lib", "/lib64",
    // For `StartupText`.
    "/proc/self/maps",
  ]

  /// Files that the variables name. Tokens are replaced by files of the same name, so that their folders have to be readable:
  /// the kubelet keeps each token in one of its own.
  private static func credentialFiles(_ environment: [String: String]) -> [String] {
    func paths(_ names: [String]) -> [String] { names.compactMap { environment[$0] }.filter { $0.hasPrefix("/") } }
    var files = paths([
      "SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE",
    ])
    for token in paths(["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]) {
      let parts = token.split(separator: "/")
      files.append(parts.count > 2 ? "/" + parts.dropLast().joined(separator: "/") : token)
    }
    return files + paths(["HOME"]).map { "\($0)/.aws" }
  }
}
