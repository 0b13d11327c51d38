/// Keys of s3:// and oss:// volumes, and of their secrets, by the names that Alluxio's pages use.
extension VolumeContextKey {
  package static let s3Endpoint = VolumeContextKey(
    "alluxio.underfs.s3.endpoint", .endpoint, .everywhere, availability: .only([.s3]),
    "Endpoint of the S3 service, without the bucket; https unless it says http. Unset: Amazon's of the region.")
  package static let s3EndpointRegion = VolumeContextKey(
    "alluxio.underfs.s3.endpoint.region", .region, .everywhere, availability: .only([.s3]),
    "Region that requests to that endpoint are signed for; it wins over `alluxio.underfs.s3.region`.")
  package static let s3Region = VolumeContextKey(
    "alluxio.underfs.s3.region", .region, .everywhere, availability: .only([.s3]),
    "Region of the bucket. Unset: found by an extra request.")
  package static let s3PathStyle = VolumeContextKey(
    "alluxio.underfs.s3.disable.dns.buckets", .oneOf(["true", "false"]), default: "false", .everywhere,
    availability: .only([.s3]),
    "true: the bucket stands in the path instead of the host name, as always with an address, a host name without a "
      + "dot, and a bucket with one over https.")
  package static let ossEndpoint = VolumeContextKey(
    "fs.oss.endpoint", .endpoint, .everywhere, availability: .only([.oss]),
    "Endpoint of the OSS service, without the bucket, such as oss-cn-hangzhou.aliyuncs.com. Needed by oss:// volumes.")

  package static let roleARN = VolumeContextKey(
    "roleArn", .role, .volumes, availability: .only([.s3]),
    "Role that is taken with a token of the pod's service account (STS AssumeRoleWithWebIdentity) instead of an access "
      + "key; pods of other service accounts get FUSE processes of their own.")
  package static let tokenAudience = VolumeContextKey(
    "tokenAudience", .text, default: WebIdentity.usualAudience, .volumes, availability: .only([.s3]),
    "Audience of that token, one of `tokenRequests` in the CSIDriver object.")
  package static let stsEndpoint = VolumeContextKey(
    "stsEndpoint", .endpoint, .volumes, availability: .only([.s3]),
    "Where STS answers for that role. Unset: Amazon's of the region.")

  static let objectStoreKeys = [
    s3Endpoint, s3EndpointRegion, s3Region, s3PathStyle, roleARN, tokenAudience, stsEndpoint, ossEndpoint,
  ]

  /// Tokens of the pod's service account by audience, as JSON: in the volume context, or in the secrets where the CSIDriver
  /// object asks for that.
  package static let serviceAccountTokens = "csi.storage.k8s.io/serviceAccount.tokens"
  /// The pod's, which the kubelet adds with `podInfoOnMount`.
  package static let serviceAccountName = "csi.storage.k8s.io/serviceAccount.name"
  package static let podNamespace = "csi.storage.k8s.io/pod.namespace"
  package static let podName = "csi.storage.k8s.io/pod.name"
  package static let podUID = "csi.storage.k8s.io/pod.uid"
  /// The claim that a volume is made for, and the volume's own name, which `csi-provisioner` adds with
  /// `--extra-create-metadata`. The node plugin gets them as they came: keys of our own would be refused by older ones.
  package static let claimNamespace = "csi.storage.k8s.io/pvc/namespace"
  package static let claimName = "csi.storage.k8s.io/pvc/name"
  package static let volumeName = "csi.storage.k8s.io/pv/name"
  package static let ofCreation = [claimNamespace, claimName, volumeName]

  /// One value of a secret with its other names.
  package struct SecretKey: Sendable, Hashable {
    /// The name as documented, and the other names that Alluxio's pages use for it.
    package let name: String
    package let aliases: [String]

    init(_ name: String, aliases: [String] = []) {
      self.name = name
      self.aliases = aliases
    }

    /// All names of this value.
    var names: [String] { [name] + aliases }
  }

  /// The parts of an access key for s3:// volumes.
  package static let s3AccessKeyID = SecretKey(
    "s3a.accessKeyId", aliases: ["aws.accessKeyId", "s3.accessKeyId"])
  package static let s3SecretKey = SecretKey("s3a.secretKey", aliases: ["aws.secretKey", "s3.secretKey"])
  package static let s3SessionToken = SecretKey(
    "s3a.sessionToken", aliases: ["aws.sessionToken", "s3.sessionToken"])
  /// The same for oss:// volumes.
  package static let ossAccessKeyID = SecretKey("fs.oss.accessKeyId")
  package static let ossAccessKeySecret = SecretKey("fs.oss.accessKeySecret")
  package static let ossSecurityToken = SecretKey("fs.oss.securityToken")

  /// The token that is exchanged for the credentials of `roleArn`; the plugin takes it from the kubelet's.
  package static let webIdentityToken = SecretKey("s3a.webIdentityToken")

  /// Keys of secrets. Elsewhere they are refused by name and their values never repeated.
  package static let secrets = [
    s3AccessKeyID, s3SecretKey, s3SessionToken, webIdentityToken, ossAccessKeyID, ossAccessKeySecret, ossSecurityToken,
  ]

  /// Whether a key belongs into a secret.
  package static func isSecret(_ name: String) -> Bool { secrets.contains { $0.names.contains(name) } }
}
