// swift-tools-version: 6.2
import PackageDescription

// Vector kernels are written against AVX2 and FMA on x86-64; other architectures take the
// compiler's defaults. In CI every warning is an error.
#if arch(x86_64)
  let cpuFlags: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-mavx2", "-Xcc", "-mfma"])]
  let wideFlags: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-mavx512f", "-Xcc", "-mfma"])]
#else
  let cpuFlags: [SwiftSetting] = []
  let wideFlags: [SwiftSetting] = []
#endif
let strict: [SwiftSetting] =
  Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)]
// Tests/Fuzz/run alone sets this variable: the modules then count the edges that an input reaches,
// and the package has one more program, whose main function is libFuzzer's.
let isFuzzed = Context.environment["LOCKSTEP_FUZZ"] != nil
let fuzzFlags = ["-sanitize=fuzzer,address"]
let portableSettings = strict + (isFuzzed ? [.unsafeFlags(fuzzFlags)] : [])
let settings = cpuFlags + portableSettings

let argumentParser: Target.Dependency =
  .product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

func cLibrary(_ name: String, pkgConfig: String, apt: String) -> Target {
  .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// A module whose time does not go into vectors: it also runs on a processor that lacks them, as far as
/// the message that says so, and as `lockstep doctor`.
func portable(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: portableSettings)
}

func tests(of name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name + "Tests", dependencies: dependencies, swiftSettings: settings)
}

let package = Package(
  name: "lockstep",
  products: [.executable(name: "lockstep", targets: ["lockstep"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: [
    cLibrary("COpenBLAS", pkgConfig: "openblas", apt: "libopenblas-dev"),
    cLibrary("COpenMPI", pkgConfig: "ompi-c", apt: "libopenmpi-dev"),
    cLibrary("CHDF5", pkgConfig: "hdf5", apt: "libhdf5-dev"),

    .systemLibrary(name: "CProcessor"),

    portable("Processors", ["CProcessor"]),
    module("Tiles"),
    .target(name: "Tiles512", dependencies: ["Tiles"], swiftSettings: wideFlags + strict),
    module("Kernels", ["COpenBLAS", "Processors", "Tiles", "Tiles512"]),
    portable("HDF5", ["CHDF5"]),
    portable("Manifests", [crypto]),
    module("Tokenizers", [crypto]),
    module("Encoders", ["Kernels", "Manifests"]),
    portable("Shards", ["HDF5", "Manifests"]),
    portable("Checkpoints", ["Manifests"]),
    portable("Collectives", ["COpenMPI"]),
    portable("Reports", ["Manifests"]),
    .target(
      name: "TensorBoard", dependencies: [protobuf], exclude: ["event.proto"],
      swiftSettings: portableSettings),
    portable(
      "Training",
      ["Encoders", "Kernels", "Shards", "Checkpoints", "Collectives", "TensorBoard", yams]),
    portable("Diagnostics", ["Collectives", "HDF5", "Kernels", "Manifests", "Processors"]),
    portable(
      "Benchmarks",
      ["Training", "Encoders", "Kernels", "Shards", "Checkpoints", "Collectives", "Tokenizers"]),
    .executableTarget(
      name: "lockstep",
      dependencies: [
        "Benchmarks", "Diagnostics", "Training", "Encoders", "Kernels", "Shards", "Checkpoints",
        "Collectives", "Manifests", "Processors", "Reports", "Tokenizers",
        argumentParser, yams,
      ],
      swiftSettings: portableSettings),

    tests(of: "Processors", ["Processors"]),
    tests(of: "Kernels", ["Kernels"]),
    tests(of: "HDF5", ["HDF5"]),
    tests(of: "Manifests", ["Manifests"]),
    tests(of: "Reports", ["Reports", "Manifests"]),
    tests(of: "Tokenizers", ["Tokenizers"]),
    tests(of: "Encoders", ["Encoders", "Kernels", "Checkpoints"]),
    tests(of: "Shards", ["Shards", "HDF5", "Manifests"]),
    tests(of: "Checkpoints", ["Checkpoints", "Manifests"]),
    tests(of: "TensorBoard", ["TensorBoard"]),
    tests(
      of: "Training",
      [
        "GoldenFolders", "Training", "Reports", "Encoders", "Kernels", "Checkpoints", "Shards",
        "TensorBoard",
      ]),
    tests(of: "Diagnostics", ["Diagnostics", "Processors"]),
    tests(of: "Benchmarks", ["Benchmarks", "Encoders", "Kernels"]),
    tests(of: "Rank", ["Collectives", "GoldenFolders", "lockstep", "rank-checks"]),
    // What Tests/RankTests starts under mpirun, once a rank.
    .executableTarget(
      name: "rank-checks",
      dependencies: ["Collectives", "GoldenFolders", "Training", "Encoders", "Shards", "Kernels"],
      path: "Tests/RankChecks",
      swiftSettings: settings),
    // Reference numbers of whole models, for the tests of one rank and of several.
    .target(
      name: "GoldenFolders", dependencies: ["Training", "Encoders", "Kernels", "Checkpoints"],
      path: "Tests/GoldenFolders",
      swiftSettings: settings),
    tests(of: "Command", ["lockstep", "Shards", "HDF5", "Checkpoints", "Manifests"]),
  ]
    + (isFuzzed
      ? [
        .executableTarget(
          name: "fuzz",
          dependencies: [
            "Checkpoints", "Collectives", "Encoders", "Manifests", "Shards", "Tokenizers",
            "Training",
          ], path: "Tests/Fuzz", exclude: ["run"],
          swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])],
          linkerSettings: [.unsafeFlags(fuzzFlags + ["-use-ld=lld"])])
      ] : [])
)
