import Collectives

/// All that is known of a job's machines, what is wrong with them, and how to start there.
package struct Examination: Sendable, Encodable {
  /// The sum of a buffer over all ranks.
  package struct AllReduce: Sendable, Equatable, Encodable {
    package let bytes: Int
    package let milliseconds: Double

    package var gigabytesPerSecond: Double { Double(bytes) / max(milliseconds, 1e-6) / 1e6 }

    package init(bytes: Int, milliseconds: Double) {
      self.bytes = bytes
      self.milliseconds = milliseconds
    }

    enum CodingKeys: String, CodingKey {
      case bytes
      case milliseconds = "ms"
      case gigabytesPerSecond = "gigabytes_per_second"
    }

    package func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(bytes, forKey: .bytes)
      try container.encode(milliseconds, forKey: .milliseconds)
      try container.encode(gigabytesPerSecond, forKey: .gigabytesPerSecond)
    }
  }

  /// By rank.
  package let ranks: [RankFacts]
  package let nodes: [Node]
  /// Between hosts, and between two ranks of each.
  package let links: [Link]
  package let clocks: [ClockSkew]
  /// nil of one rank, and where nothing was measured.
  package let allReduce: AllReduce?
  /// Of the model that was named.
  package let needs: Needs?
  package let findings: [Finding]
  package let launch: LaunchPlan
  /// Facts that could not be had here, and why.
  package let omitted: [String]

  /// - Parameter ranks: At least one.
  package init(
    _ ranks: [RankFacts], links: [Link] = [], clocks: [ClockSkew] = [],
    allReduce: AllReduce? = nil, needs: Needs? = nil, omitted: [String] = []
  ) {
    let nodes = Node.all(ranks)
    self.ranks = ranks
    self.nodes = nodes
    self.links = links
    self.clocks = clocks
    self.allReduce = allReduce
    self.needs = needs
    self.omitted = omitted
    let launch = LaunchPlan(nodes)
    self.launch = launch
    findings =
      (nodes.flatMap { node in
        node.processorFindings + node.placementFindings
          + node.memoryFindings(needs, planned: launch.ranksPerHost)
          + node.messagingFindings + node.storageFindings(needs)
      } + agreementFindings(ranks) + clockFindings(clocks, ranks) + speedFindings(nodes)
      + linkFindings(links, nodes)).merged
  }

  /// Whether something must be mended before training.
  package var hasErrors: Bool { findings.contains { $0.severity == .error } }

  enum CodingKeys: String, CodingKey {
    case ranks, links, clocks, needs, findings, launch, omitted
    case allReduce = "all_reduce"
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(ranks, forKey: .ranks)
    try container.encode(links, forKey: .links)
    try container.encode(clocks, forKey: .clocks)
    try container.encodeIfPresent(allReduce, forKey: .allReduce)
    try container.encodeIfPresent(needs, forKey: .needs)
    try container.encode(findings, forKey: .findings)
    try container.encode(launch, forKey: .launch)
    try container.encode(omitted, forKey: .omitted)
  }
}
