import Testing

@testable import Training

@Suite struct DefaultThreadsTests {
  @Test(
    "a rank uses the cores that it is bound to, else its share of those that are online",
    arguments: [
      ("0-63", "0-63", 16), ("0-7", "0-63", 8), ("0-3,8", "0-63", 5), ("5", "0-63", 1),
      // Others are offline: of an unbound rank, and of a bound one.
      ("0-63", "0-31", 8), ("0-7", "0-3,8-63", 4), ("4-7", "0-3", 1), ("0-2", "0-2", 1),
    ])
  func threads(allowed: String, online: String, expected: Int) {
    let status = "Name:\tlockstep\nCpus_allowed:\tff\nCpus_allowed_list:\t\(allowed)\nThreads:\t1\n"
    #expect(defaultThreads(localRanks: 4, status: status, online: online + "\n") == expected)
  }

  @Test("a system that shows nothing leaves a rank one thread at least")
  func nothingShown() {
    #expect(defaultThreads(localRanks: 1 << 20, status: nil, online: nil) == 1)
    #expect(defaultThreads(localRanks: 1, status: nil, online: nil) >= 1)
  }
}
