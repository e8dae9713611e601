import Testing

@testable import Processors

@Suite struct ProcessorTests {
  #if arch(x86_64)
    @Test("a processor without AVX2 or FMA is told apart from one that has both")
    func tellsWhatIsMissing() {
      func processor(avx2: Bool, fma: Bool, avx512: Bool = false) -> Processor {
        Processor(name: "", hasAVX: true, hasAVX2: avx2, hasFMA: fma, hasAVX512: avx512)
      }
      #expect(processor(avx2: true, fma: true).missingFeatures == [])
      #expect(processor(avx2: false, fma: true).missingFeatures == ["AVX2"])
      #expect(processor(avx2: false, fma: false).missingFeatures == ["AVX2", "FMA"])
      #expect(processor(avx2: true, fma: true).vectors == .avx2)
      #expect(processor(avx2: true, fma: true, avx512: true).vectors == .avx512)
      #expect(processor(avx2: true, fma: false, avx512: true).vectors == .none)
    }
  #endif

  @Test("the processor that runs this has what the build needs")
  func isSufficient() {
    #expect(Processor.current.missingFeatures == [])
    #expect(Processor.current.vectors != .none)
  }
}
