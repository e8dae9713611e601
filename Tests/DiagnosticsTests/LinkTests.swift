import Collectives
import Testing

@testable import Diagnostics

@Suite struct LinkTests {
  /// Ranks 0 ..< count, one on each host.
  private func hosts(_ count: Int) -> [RankFacts] {
    (0..<count).map { rank($0, of: count, host: "node-\($0)") }
  }

  /// Every direction between hosts, by a rate of sender and receiver.
  private func links(_ count: Int, _ rate: (Int, Int) -> Double) -> [Link] {
    (0..<count).flatMap { from in
      (0..<count).filter { $0 != from }.map { to in
        Link(from: from, to: to, microseconds: 20, gigabytesPerSecond: rate(from, to))
      }
    }
  }

  @Test("the host whose every sending is slow is named, and no other", arguments: [3, 4, 7])
  func slowSender(count: Int) throws {
    let slow = count - 2
    let examination = Examination(
      hosts(count), links: links(count) { from, _ in from == slow ? 0.012 : 1.1 })
    let finding = try #require(examination.finding("slow-host"))
    #expect(finding.hosts == ["node-\(slow)"])
    #expect(finding.found == "12 MB/s sending")
    #expect(finding.expected.contains("1.1 GB/s"))
  }

  @Test("a slow way between two hosts that are fast with others names nobody")
  func slowPair() {
    let pair: Set = [0, 1]
    let examination = Examination(
      hosts(4), links: links(4) { from, to in pair == [from, to] ? 0.1 : 1 })
    #expect(examination.finding("slow-host") == nil)
  }

  @Test("of two hosts the slow direction is told")
  func slowDirection() throws {
    let examination = Examination(hosts(2), links: links(2) { from, _ in from == 1 ? 0.1 : 1 })
    #expect(try #require(examination.finding("slow-host")).hosts == ["node-1"])
    #expect(Examination(hosts(2), links: links(2) { _, _ in 0.1 }).findings == [])
  }

  @Test("a host that is late with every other one is named")
  func late() throws {
    let all = links(3) { _, _ in 1 }.map { link in
      let isLate = link.from == 2 || link.to == 2
      return Link(
        from: link.from, to: link.to, microseconds: isLate ? 900 : 30, gigabytesPerSecond: 1)
    }
    let finding = try #require(Examination(hosts(3), links: all).finding("slow-host"))
    #expect(finding.hosts == ["node-2"])
    #expect(finding.found == "900 us")
  }

  @Test("a host whose cores give half of the others' is named")
  func slowCores() throws {
    let ranks = (0..<3).map { number in
      rank(number, of: 3, host: "node-\(number)") {
        $0.speed = .init(gflops: number == 1 ? 40 : 100, gigabytesPerSecond: 10)
      }
    }
    #expect(try #require(Examination(ranks).finding("slow-host")).hosts == ["node-1"])
  }

  @Test("every two hosts meet once, and none twice in a round", arguments: 0...9)
  func tournament(count: Int) {
    let all = rounds(ofHosts: count)
    for round in all {
      let hosts = round.flatMap { [$0.0, $0.1] }
      #expect(Set(hosts).count == hosts.count)
    }
    let pairs = all.flatMap { $0.map { "\($0.0) \($0.1)" } }
    #expect(Set(pairs).count == pairs.count)
    #expect(pairs.count == count * (count - 1) / 2)
    #expect(all.flatMap(\.self).allSatisfy { $0.0 < $0.1 && $0.1 < count })
  }
}
