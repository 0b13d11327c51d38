package import LinuxSystem
package import VolumeModel

/// Credentials of the machine that a program runs on, where AWS and OSS programs look for them: environment, shared
/// file, web identity token, the container's or instance's role. Never for inline volumes.
package struct NodeCredentials: CredentialSource {
  private let chain: CredentialChain

  /// - Parameters:
  ///   - transport: for STS.
  ///   - direct: one without a proxy, for the role's addresses.
  ///   - region: whose STS is asked; nil: the global one.
  ///   - variable: a variable's value; of this process unless others are given.
  package init(
    for scheme: UnderFileSystemURI.Scheme, transport: any HTTPTransport, direct: any HTTPTransport, region: String?,
    variable: @escaping @Sendable (String) -> String? = { ProcessEnvironment.value(of: $0) }
  ) {
    var sources: [any CredentialSource] = [EnvironmentCredentials(for: scheme, variable: variable)]
    // The others are Amazon's.
    if scheme == .s3 {
      sources.append(SharedFileCredentials(variable: variable))
      if let token = WebIdentityCredentials(transport: transport, region: region, variable: variable) {
        sources.append(token)
      }
      if let role = MetadataCredentials(transport: direct, variable: variable) { sources.append(role) }
    }
    chain = CredentialChain(sources)
  }

  package var name: String { chain.name }

  package func fetch(by deadline: Deadline) throws(CredentialError) -> ObjectStoreCredentials? {
    try chain.fetch(by: deadline)
  }

  /// The region that the environment names for AWS programs; nil: none.
  package static func region(
    variable: (String) -> String? = { ProcessEnvironment.value(of: $0) }
  ) -> String? {
    [variable("AWS_REGION"), variable("AWS_DEFAULT_REGION")].lazy.compactMap { $0 }
      .first(where: ObjectStoreProperties.isRegion)
  }
}
