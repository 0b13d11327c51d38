// swift-tools-version:6.2
import PackageDescription

/// Settings of every Swift target: Swift 6 mode comes from `swiftLanguageModes` below.
let swift: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// Points at which a worker of the tests dies, and kernels that a mounter of the tests pretends: never in a release build.
let faults: [SwiftSetting] = [.define("FAULT_INJECTION", .when(configuration: .debug))]

/// Targets that need no unsafe code outside their `Wire/` folder; the compiler points at every unsafe use.
let safe = swift + [.strictMemorySafety()]

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")

let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")

let package = Package(
  name: "alluxio-csi",
  products: [
    .executable(name: "alluxio-csi", targets: ["alluxio-csi"]),
    .executable(name: "alluxio-mounter", targets: ["alluxio-mounter"]),
    .executable(name: "alluxio-fuse", targets: ["alluxio-fuse"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
  ],
  targets: [
    // C libraries of the system: module maps and shim headers, no logic.
    .systemLibrary(name: "CGRPC", providers: [.apt(["libgrpc-dev"])]),
    .systemLibrary(name: "CProtobufC", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(name: "CFuse", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
    .systemLibrary(name: "CMessageDigest", providers: [.apt(["libmd-dev"])]),
    .systemLibrary(name: "CCurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CExpat", providers: [.apt(["libexpat1-dev"])]),
    .systemLibrary(name: "CYAML", providers: [.apt(["libfyaml-dev"])]),
    .systemLibrary(name: "CMicroHTTPD", providers: [.apt(["libmicrohttpd-dev"])]),
    .systemLibrary(name: "CLinux"),

    // Generated from Protos/ by protoc-c and checked in.
    .target(
      name: "CSIProtocol", cSettings: [.headerSearchPath("include")], linkerSettings: [.linkedLibrary("protobuf-c")]),
    .target(
      name: "MounterProtocol", cSettings: [.headerSearchPath("include")], linkerSettings: [.linkedLibrary("protobuf-c")]
    ),

    // xxHash, which is a header.
    .target(name: "CXXHash"),

    // The floor: system calls, messages, calls.
    .target(name: "LinuxSystem", dependencies: ["CLinux", system], swiftSettings: swift),
    .target(name: "ProtobufC", dependencies: ["CProtobufC"], swiftSettings: swift),
    .target(name: "GRPC", dependencies: ["CGRPC", "LinuxSystem", logging, system], swiftSettings: swift),

    .target(name: "HTTP", dependencies: ["CCurl", "LinuxSystem", system], swiftSettings: swift),

    // The API of Kubernetes: typed objects, watches, events. It knows nothing of volumes.
    .target(
      name: "Kubernetes", dependencies: ["CYAML", "HTTP", "LinuxSystem", deque, system], swiftSettings: safe),

    // What scrapers and probes ask; loaded where it is wanted.
    .target(name: "HTTPServer", dependencies: ["CMicroHTTPD", "LinuxSystem", system], swiftSettings: swift),
    // The table of metrics, and their text.
    .target(name: "Metrics", swiftSettings: safe),

    // How all programs write their log.
    .target(name: "Log", dependencies: [logging], swiftSettings: swift),

    // Values that all processes share.
    .target(name: "VolumeModel", dependencies: ["CMessageDigest"], swiftSettings: safe),

    // The worker: under file system, volume file system, FUSE.
    .target(
      name: "UnderFileSystem", dependencies: ["HTTP", "LinuxSystem", "ObjectStore", "VolumeModel", system],
      swiftSettings: safe + faults),
    .target(
      name: "PageStore", dependencies: ["CXXHash", "LinuxSystem", deque, system], exclude: ["PageStore.md"],
      swiftSettings: safe + faults),
    .target(
      name: "VolumeFileSystem", dependencies: ["LinuxSystem", "UnderFileSystem", "VolumeModel", collections, system],
      exclude: ["Semantics.md", "SharedState.md"], swiftSettings: safe + faults),
    .target(
      name: "Fuse", dependencies: ["CFuse", "LinuxSystem", "UnderFileSystem", "VolumeFileSystem", logging, system],
      swiftSettings: swift),

    // S3 and OSS: requests in, typed results out. It knows nothing of files.
    .target(
      name: "ObjectStore", dependencies: ["CExpat", "HTTP", "LinuxSystem", "VolumeModel", logging, system],
      swiftSettings: safe),

    // The keeper of mounts, and the CSI services.
    .target(
      name: "Mounter",
      dependencies: [
        "CProtobufC", "LinuxSystem", "Log", "MounterProtocol", "ProtobufC", "VolumeModel", logging, system,
      ],
      swiftSettings: safe),
    .target(
      name: "CSIDriver",
      dependencies: [
        "CSIProtocol", "GRPC", "HTTP", "Kubernetes", "LinuxSystem", "Log", "Metrics", "Mounter", "ObjectStore",
        "PageStore", "ProtobufC", "UnderFileSystem", "VolumeModel", logging, system,
      ],
      exclude: ["Registry/Kubernetes/VolumeStatuses.md"], swiftSettings: safe),

    .executableTarget(
      name: "alluxio-csi",
      dependencies: [
        "CSIDriver", "GRPC", "HTTPServer", "Kubernetes", "LinuxSystem", "Log", "Metrics", "Mounter", "VolumeModel",
        arguments, logging, system,
      ],
      swiftSettings: safe),
    .executableTarget(
      name: "alluxio-mounter", dependencies: ["LinuxSystem", "Log", "Mounter", "VolumeModel", logging, system],
      swiftSettings: safe + faults),
    .executableTarget(
      name: "alluxio-fuse",
      dependencies: [
        "Fuse", "HTTP", "LinuxSystem", "Log", "Mounter", "ObjectStore", "PageStore", "UnderFileSystem",
        "VolumeFileSystem", "VolumeModel", logging, system,
      ],
      swiftSettings: safe + faults),

    // What all tests share: temporary folders, requirements, private mount namespaces, leak snapshots.
    .target(
      name: "TestSupport", dependencies: ["CLinux", "CTestOutput", "LinuxSystem", system], path: "Tests/TestSupport",
      swiftSettings: swift),
    // Has tests print line by line.
    .target(name: "CTestOutput", path: "Tests/CTestOutput", publicHeadersPath: "."),
    .testTarget(
      name: "DocumentTests", dependencies: ["LinuxSystem", "TestSupport", "VolumeModel", system], swiftSettings: swift),
    .testTarget(name: "VolumeModelTests", dependencies: ["TestSupport", "VolumeModel"], swiftSettings: swift),
    .testTarget(name: "LogTests", dependencies: ["LinuxSystem", "Log", logging], swiftSettings: swift),
    // Killed in the middle of its writes by the crash tests; not shipped.
    .executableTarget(
      name: "registry-writer", dependencies: ["CSIDriver", "LinuxSystem", logging], path: "Tests/RegistryWriter",
      swiftSettings: swift),
    // Deletes a volume on an object store, and is killed in the middle of it; not shipped.
    .executableTarget(
      name: "volume-deleter", dependencies: ["CSIDriver", "LinuxSystem", "VolumeModel", logging],
      path: "Tests/VolumeDeleter", swiftSettings: swift),
    .testTarget(
      name: "CSIDriverTests",
      dependencies: [
        "ApplicationLoad", "CProtobufC", "CSIDriver", "CSIProtocol", "GRPC", "HTTP", "Kubernetes", "LinuxSystem", "Log",
        "Metrics", "Mounter", "ObjectStore", "ObjectStoreServers", "ProtobufC", "TestSupport", "VolumeModel",
        "volume-deleter", logging,
        system,
      ],
      swiftSettings: swift),
    // Applications that check each answer, and other processes that tests talk to.
    .target(
      name: "ApplicationLoad", dependencies: ["CLinux", "LinuxSystem", system], path: "Tests/ApplicationLoad",
      swiftSettings: swift),
    // Changes names on a mount whose workers are killed, and counts what goes wrong; not shipped.
    .executableTarget(
      name: "metadata-load", dependencies: ["ApplicationLoad"], path: "Tests/MetadataLoad",
      swiftSettings: swift),
    .testTarget(
      name: "FuseTests",
      dependencies: [
        "CFuse", "CLinux", "Fuse", "HTTP", "LinuxSystem", "ObjectStoreServers", "TestSupport", "UnderFileSystem",
        "VolumeFileSystem", "VolumeModel", "alluxio-fuse", logging, system,
      ],
      swiftSettings: swift),
    // Borders that the compiler does not hold: imports, linked libraries, the shape of sources and tests. It needs the
    // programs, and reads the package's own text.
    .testTarget(
      name: "BorderTests",
      dependencies: ["LinuxSystem", "TestSupport", "alluxio-csi", "alluxio-fuse", "alluxio-mounter", system],
      swiftSettings: swift),
    .testTarget(
      name: "ObjectStoreTests",
      dependencies: [
        "HTTP", "LinuxSystem", "ObjectStore", "ObjectStoreServers", "TestSupport", "VolumeModel", logging, system,
      ],
      swiftSettings: swift),
    .testTarget(
      name: "HTTPServerTests", dependencies: ["HTTP", "HTTPServer", "LinuxSystem", "TestSupport", system],
      swiftSettings: swift),
    .testTarget(name: "MetricsTests", dependencies: ["Metrics"], swiftSettings: swift),
    .testTarget(name: "LinuxSystemTests", dependencies: ["LinuxSystem", "TestSupport", system], swiftSettings: swift),
    .testTarget(
      name: "UnderFileSystemTests",
      dependencies: [
        "HTTP", "LinuxSystem", "ObjectStore", "ObjectStoreServers", "ServedBuckets", "TestSupport", "UnderFileSystem",
        "VolumeModel", logging, system,
      ],
      swiftSettings: swift),
    .testTarget(
      name: "VolumeFileSystemTests",
      dependencies: [
        "LinuxSystem", "ObjectStore", "ServedBuckets", "TestSupport", "UnderFileSystem", "VolumeFileSystem",
        "VolumeModel", system,
      ],
      swiftSettings: swift),
    // File versions whose bytes are known, and a reader that fetches what a page store lacks.
    .target(
      name: "PageSamples", dependencies: ["LinuxSystem", "PageStore", system], path: "Tests/PageSamples",
      swiftSettings: swift),
    // Uses a page store in a process of its own, which the tests kill; not shipped.
    .executableTarget(
      name: "page-writer", dependencies: ["LinuxSystem", "PageSamples", "PageStore", system], path: "Tests/PageWriter",
      swiftSettings: swift + faults),
    .testTarget(
      name: "PageStoreTests",
      dependencies: ["LinuxSystem", "PageSamples", "PageStore", "TestSupport", "page-writer", system],
      swiftSettings: swift + faults),
    .testTarget(
      name: "CSIProtocolTests", dependencies: ["CProtobufC", "CSIProtocol", "LinuxSystem", "ProtobufC", "TestSupport"],
      exclude: ["csi-v1.13.tsv"], swiftSettings: swift),
    .testTarget(
      name: "ProtobufCTests", dependencies: ["CProtobufC", "CSIProtocol", "LinuxSystem", "ProtobufC", "TestSupport"],
      swiftSettings: swift),
    // Servers of HTTP and S3 in processes of their own, for tests.
    .target(
      name: "ObjectStoreServers", dependencies: ["HTTP", "LinuxSystem", "TestSupport", system],
      path: "Tests/ObjectStoreServers", exclude: ["servers"], swiftSettings: swift),
    // Buckets in those servers, for under file systems.
    .target(
      name: "ServedBuckets",
      dependencies: [
        "HTTP", "LinuxSystem", "ObjectStore", "ObjectStoreServers", "TestSupport", "UnderFileSystem", "VolumeModel",
        logging, system,
      ],
      path: "Tests/ServedBuckets", swiftSettings: swift),
    .testTarget(
      name: "HTTPTests", dependencies: ["HTTP", "LinuxSystem", "ObjectStoreServers", "TestSupport", system],
      swiftSettings: swift),
    .testTarget(
      name: "KubernetesTests",
      dependencies: ["HTTP", "Kubernetes", "LinuxSystem", "ObjectStoreServers", "TestSupport", system],
      swiftSettings: swift),
    .testTarget(
      name: "GRPCTests", dependencies: ["GRPC", "LinuxSystem", "TestSupport", logging], swiftSettings: swift),

    // Not shipped: what `make bench` runs.
    .executableTarget(
      name: "alluxio-bench",
      dependencies: [
        "BenchmarkCalls", "CSIProtocol", "GRPC", "LinuxSystem", "Mounter", "ProtobufC", "VolumeModel", arguments,
        logging,
      ],
      path: "Benchmarks/alluxio-bench", swiftSettings: swift),
    // Not shipped: hit rates of the page store's eviction, and what its reads cost against pread(2).
    .executableTarget(
      name: "page-bench", dependencies: ["LinuxSystem", "PageStore", system], path: "Benchmarks/page-bench",
      swiftSettings: swift),
    // Not shipped: the applications and the fault matrix of `make faults`.
    .executableTarget(
      name: "alluxio-faults",
      dependencies: [
        "ApplicationLoad", "BenchmarkCalls", "CLinux", "GRPC", "LinuxSystem", "Mounter", "ObjectStoreServers",
        "VolumeModel", arguments, system,
      ],
      path: "Benchmarks/alluxio-faults", swiftSettings: swift),
    .target(
      name: "BenchmarkCalls", dependencies: ["CSIProtocol", "GRPC", "ProtobufC"], path: "Benchmarks/Calls",
      swiftSettings: swift),
    .testTarget(
      name: "MounterTests",
      dependencies: [
        "ApplicationLoad", "HTTP", "LinuxSystem", "Log", "Mounter", "MounterProtocol", "ObjectStoreServers",
        "ProtobufC",
        "TestSupport", "VolumeModel", logging, system,
      ], swiftSettings: swift),
  ],
  swiftLanguageModes: [.v6]
)

// scripts/sanitizers.sh builds some tests a second time, instrumented: everything that they do not need is left out,
// and
// the canary comes in.
if let tests = Context.environment["INSTRUMENTED_TESTS"] {
  var wanted = Set(tests.split(separator: ",").map(String.init))
  var count = 0
  while wanted.count != count {
    count = wanted.count
    for target in package.targets where wanted.contains(target.name) {
      for case .byNameItem(let name, _) in target.dependencies { wanted.insert(name) }
    }
  }
  package.targets.removeAll { !wanted.contains($0.name) }
  package.targets.append(
    .executableTarget(name: "sanitizer-canary", path: "Tests/SanitizerCanary", swiftSettings: swift))
  package.products = []
}
