import Collectives

// Which host's network is slow, from what the links between hosts gave.

/// A direction of a host: what it sends, or what it receives.
private enum Way: String {
  case sending, receiving
}

/// - Parameter links: Between the first ranks of hosts, both directions; those within a host are passed over.
func linkFindings(_ links: [Link], _ nodes: [Node]) -> [Finding] {
  let nodeOf = Dictionary(
    nodes.enumerated().flatMap { index, node in node.ranks.map { ($0.rank, index) } },
    uniquingKeysWith: { a, _ in a })
  let between = links.compactMap { link -> (from: Int, to: Int, link: Link)? in
    guard let from = nodeOf[link.from], let to = nodeOf[link.to], from != to else { return nil }
    return (from, to, link)
  }
  guard nodes.count > 2 else { return asymmetry(between, nodes) }
  return nodes.indices.flatMap { index -> [Finding] in
    let others = between.filter { $0.from != index && $0.to != index }.map(\.link)
    guard let usual = median(others.map(\.gigabytesPerSecond)),
      let usualLatency = median(others.map(\.microseconds))
    else { return [] }
    var findings: [Finding] = []
    for way in [Way.sending, .receiving] {
      let own = between.filter { (way == .sending ? $0.from : $0.to) == index }.map(\.link)
      // Slow with its best partner: the fault is its own.
      guard let best = own.map(\.gigabytesPerSecond).max(), best < 0.5 * usual else { continue }
      findings.append(slow(nodes[index], way, best, usual))
    }
    let own = between.filter { $0.from == index || $0.to == index }.map(\.link.microseconds)
    if let least = own.min(), least > 3 * usualLatency, least > usualLatency + 100 {
      findings.append(
        Finding(
          .warning, "slow-host", nodes[index].ranks,
          expected: "about \(decimal(usualLatency, 0)) us to another host, as between the others",
          found: "\(decimal(least, 0)) us", remedy: remedy(nodes[index])))
    }
    return findings
  }
}

private func slow(_ node: Node, _ way: Way, _ best: Double, _ usual: Double) -> Finding {
  Finding(
    .warning, "slow-host", node.ranks,
    expected: "about \(rate(usual)), as between the other hosts",
    found: "\(rate(best)) \(way.rawValue)",
    remedy: remedy(node))
}

private func remedy(_ node: Node) -> String {
  "look at \(node.host)'s cable, port and interface (ethtool, ip -s link; "
    + "mpirun --mca btl_tcp_if_include chooses another), or leave it out: every step waits for it"
}

/// Of two hosts nobody can tell whose fault a slow link is, but a slow direction shows.
private func asymmetry(
  _ between: [(from: Int, to: Int, link: Link)], _ nodes: [Node]
) -> [Finding] {
  between.compactMap { entry in
    let back = between.first { $0.from == entry.to && $0.to == entry.from }?.link
    guard let back, entry.link.gigabytesPerSecond < 0.5 * back.gigabytesPerSecond else {
      return nil
    }
    return slow(nodes[entry.from], .sending, entry.link.gigabytesPerSecond, back.gigabytesPerSecond)
  }
}

/// 1.2 GB/s, 12 MB/s.
func rate(_ gigabytesPerSecond: Double) -> String {
  gigabytesPerSecond < 1
    ? decimal(1000 * gigabytesPerSecond, gigabytesPerSecond < 0.01 ? 1 : 0) + " MB/s"
    : decimal(gigabytesPerSecond, 1) + " GB/s"
}

/// Pairs of hosts in rounds, each host at most once in a round and with every other once: the circle method
/// of tournaments. Pairs of a round are measured at the same time.
package func rounds(ofHosts count: Int) -> [[(Int, Int)]] {
  guard count > 1 else { return [] }
  let places = count + count % 2
  return (0..<places - 1).map { turn in
    // The last place stands still, the others go round it.
    func host(_ place: Int) -> Int {
      place == places - 1 ? place : (place + turn) % (places - 1)
    }
    return (0..<places / 2).compactMap { place in
      let (a, b) = (host(place), host(places - 1 - place))
      return a < count && b < count ? (min(a, b), max(a, b)) : nil
    }
  }
}
