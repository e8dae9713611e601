/// The ranks of one machine.
package struct Node: Sendable {
  package let host: String
  /// At least one, ascending.
  package let ranks: [RankFacts]

  /// Whose facts about the machine stand for all.
  package var first: RankFacts { ranks[0] }

  /// Groups ranks by machine, in the order of their first ranks.
  package static func all(_ ranks: [RankFacts]) -> [Node] {
    var order: [String] = []
    var groups: [String: [RankFacts]] = [:]
    for rank in ranks.sorted(by: { $0.rank < $1.rank }) {
      let key = rank.host + " " + rank.boot
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(rank)
    }
    return order.compactMap { key in
      groups[key].map { Node(host: $0[0].host, ranks: $0) }
    }
  }

  /// Every processor that one of the ranks may run on.
  var processors: CPUSet {
    ranks.dropFirst().reduce(first.cores.allowed) { $0.union($1.cores.allowed) }
  }

  var threads: Int { ranks.reduce(0) { $0 + $1.threads } }
}
