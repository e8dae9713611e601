// Whether the machine's processor runs this build, and how fast.

extension Node {
  var processorFindings: [Finding] {
    let missing = first.processor.missingFeatures
    if !missing.isEmpty {
      return [
        Finding(
          .error, "processor", ranks, expected: "a processor with AVX2 and FMA",
          found: "no \(missing.joined(separator: ", no "))"
            + (first.processor.name.isEmpty ? "" : ": \(first.processor.name)"),
          remedy:
            "use other machines (Intel from Haswell, AMD from Excavator), give the virtual machine "
            + "its host's processor (-cpu host), or build without the CPU flags of Package.swift")
      ]
    }
    return governorFindings + blasFindings
  }

  private var governorFindings: [Finding] {
    guard let governor = first.cores.governor, governor == "powersave" || governor == "conservative"
    else { return [] }
    return [
      Finding(
        .note, "frequency-governor", ranks, expected: "performance, or schedutil", found: governor,
        remedy: "cpupower frequency-set --governor performance, as root; "
          + "under intel_pstate powersave may do as well")
    ]
  }

  /// OpenBLAS's names for processors without AVX2, which it also takes newer ones for that it does not
  /// know.
  private static let oldCores = [
    "Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Westmere", "Sandybridge", "Generic",
    "Opteron", "Barcelona", "Bobcat", "Atom", "Nano",
  ]

  /// Products of training are lockstep's own; those that bench compares with are OpenBLAS's.
  private var blasFindings: [Finding] {
    guard let core = first.blas?.coreType, first.processor.hasAVX2, Self.oldCores.contains(core)
    else { return blasThreadFindings }
    return [
      Finding(
        .note, "blas-core", ranks, expected: "BLAS kernels with AVX2", found: "kernels for \(core)",
        remedy: "OPENBLAS_CORETYPE=Haswell, or a newer OpenBLAS; training does not use them, the "
          + "benchmarks' ceilings do")
    ] + blasThreadFindings
  }

  private var blasThreadFindings: [Finding] {
    ranks.filter { ($0.blas?.threads ?? 1) > 1 && ranks.count > 1 }.map { rank in
      Finding(
        .note, "blas-threads", [rank], expected: "one BLAS thread a rank",
        found: "OpenBLAS with \(counted(rank.blas?.threads ?? 1, "thread"))",
        remedy: "OPENBLAS_NUM_THREADS=1, as launch/local sets it; training does not use them, "
          + "the benchmarks' ceilings do")
    }
  }
}
