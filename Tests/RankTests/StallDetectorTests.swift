import Testing

@testable import Collectives

@Suite("Who has stalled")
struct StallDetectorTests {
  private let second: UInt64 = 1_000_000_000
  private func detector() -> StallDetector {
    StallDetector(ranks: 3, watched: [1, 2], patience: 10 * second, now: 0)
  }
  private func sign(_ progress: UInt64) -> RankSign {
    var sign = RankSign()
    sign.progress = progress
    return sign
  }

  @Test("a rank that gives no sign for longer than the patience is named")
  func silence() {
    var detector = detector()
    for time in 1...11 as ClosedRange<UInt64> {
      detector.look(at: time * second)
      detector.hear(sign(time), from: 0)
      detector.hear(sign(time), from: 1)
      let expected: StallDetector.Verdict? = time > 10 ? .silent(rank: 2) : nil
      #expect(detector.verdict(judgesProgress: true) == expected, "after \(time) s")
    }
  }

  @Test("ranks that wait and say so are not silent, while anyone gets something done")
  func waiting() {
    var detector = detector()
    for time in 1...100 as ClosedRange<UInt64> {
      detector.look(at: time * second)
      detector.hear(sign(time), from: 0)
      for rank in [1, 2] { detector.hear(sign(7), from: rank) }
      #expect(detector.verdict(judgesProgress: true) == nil)
    }
  }

  @Test("signs without progress of any rank are a standstill, for the rank that hears all of them")
  func standstill() {
    var detector = detector()
    for time in 1...12 as ClosedRange<UInt64> {
      detector.look(at: time * second)
      for rank in 0...2 { detector.hear(sign(7), from: rank) }
    }
    #expect(detector.verdict(judgesProgress: true) == .standstill)
    #expect(detector.verdict(judgesProgress: false) == nil)
  }

  @Test("a job that was stopped as a whole for an hour has lost no time")
  func stoppedAndContinued() {
    var detector = detector()
    for time in [1, 2, 3602, 3603] as [UInt64] {
      detector.look(at: time * second)
      #expect(detector.verdict(judgesProgress: true) == nil, "after \(time) s")
      for rank in 0...2 { detector.hear(sign(time), from: rank) }
    }
  }

  @Test("a sign reads back as it was sent, a long phase cut")
  func encoding() {
    var sign = RankSign()
    (sign.step, sign.progress) = (1 << 40, .max - 3)
    (sign.isStopRequested, sign.isEndingJob) = (false, true)
    #expect(RankSign(encoded: sign.encoded(bytes: 64)) == sign)
    (sign.isStopRequested, sign.isEndingJob) = (true, false)
    for phase in ["", "backward", "lädt", String(repeating: "x", count: 46)] {
      sign.phase = phase
      #expect(RankSign(encoded: sign.encoded(bytes: 64)) == sign)
    }
    sign.phase = String(repeating: "x", count: 300)
    let cut = RankSign(encoded: sign.encoded(bytes: 64)).phase
    #expect(cut == String(repeating: "x", count: 46))
  }
}
