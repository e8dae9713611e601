import Testing

@testable import Kernels

@Suite struct ProcessorTests {
  #if arch(x86_64)
    @Test("a processor without AVX2 or FMA is told apart from one that has both")
    func readsFlags() {
      #expect(requiredFeatures(missingFrom: "flags\t\t: fpu sse2 avx avx2 fma bmi2\n") == [])
      #expect(requiredFeatures(missingFrom: "flags\t\t: fpu sse2 avx avx2x fma\n") == ["avx2"])
      #expect(requiredFeatures(missingFrom: "flags\t\t: fpu") == ["avx2", "fma"])
    }
  #endif

  @Test("the processor that runs this has what the build needs")
  func isSufficient() {
    #expect(missingProcessorFeatures() == [])
    #expect(!coreType().isEmpty)
  }
}
