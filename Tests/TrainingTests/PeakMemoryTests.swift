import Testing

@testable import Training

@Suite struct PeakMemoryTests {
  @Test("the peak is read from the status file's VmHWM, in kibibytes")
  func readsStatus() {
    let status = "Name:\tlockstep\nVmPeak:\t  900 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 1000 kB\n"
    #expect(PeakMemory.highWaterMark(inStatus: status) == 1234 * 1024)
    #expect(PeakMemory.highWaterMark(inStatus: "Name:\tlockstep\n") == 0)
  }

  @Test("it grows with what is touched, and counts anew after a reset")
  func followsMemory() throws {
    let bytes = 256 << 20
    let before = PeakMemory.bytes
    try #require(before > 0)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4096)
    memory.initializeMemory(as: UInt8.self, repeating: 1, count: bytes)
    let full = PeakMemory.bytes
    #expect(full >= bytes)
    memory.deallocate()
    // The kernel counts pages thread by thread and is some of them behind.
    #expect(PeakMemory.bytes >= full - bytes / 8)
    guard PeakMemory.reset() else { return }
    #expect(PeakMemory.bytes <= full - bytes / 2)
  }
}
