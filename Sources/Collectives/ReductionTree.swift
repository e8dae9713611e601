/// Which additions make the sum of the micro-batch gradients, and which rank does them.
///
/// V parts are summed in one complete binary tree over the part index, ((p0 + p1) + (p2 + p3)) +
/// .., whatever the number of ranks R. With P the largest power of two that is at most R, the tree
/// is cut into P groups, each a complete subtree of V/P neighbouring parts:
///
///     R = 3, P = 2, V = 8     rank 0: parts 0 1 | rank 1: parts 2 3 | rank 2: parts 4 5 6 7
///                              \___ group 0, split in two halves __/   \____ group 1 ____/
///
/// The first R - P groups have two ranks, which hold one half of the group's subtree each, so a
/// rank has V/P or V/(2P) parts. A rank sums its own subtree; the ranks go on from there. See
/// docs/decisions/0003-reduction-tree.md.
package struct ReductionTree: Sendable, Equatable {
  /// V, the number of parts, a power of two.
  package let partCount: Int
  /// R, the number of ranks.
  package let rankCount: Int

  /// - Parameters:
  ///   - partCount: V, a power of two, at least ``defaultParts(ranks:)`` of the ranks.
  ///   - rankCount: R, at least 1.
  package init(parts partCount: Int, ranks rankCount: Int) {
    precondition(rankCount >= 1, "a reduction tree needs a rank")
    precondition(
      partCount.nonzeroBitCount == 1 && partCount >= Self.defaultParts(ranks: rankCount),
      "the parts must be a power of two and no fewer than the ranks")
    self.partCount = partCount
    self.rankCount = rankCount
  }

  /// The smallest number of parts that gives each of `ranks` at least one: the next power of two.
  package static func defaultParts(ranks: Int) -> Int {
    precondition(ranks >= 1, "a reduction tree needs a rank")
    return 1 << (Int.bitWidth - (ranks - 1).leadingZeroBitCount)
  }

  /// The parts that `rank` computes and sums itself: neighbours, and a complete subtree.
  package func parts(of rank: Int) -> Range<Int> {
    let place = place(of: rank)
    let groupParts = partCount / groupCount
    let start = place.group * groupParts
    let half = groupParts / 2
    switch place.role {
    case .whole: return start..<start + groupParts
    case .first: return start..<start + half
    case .second: return start + half..<start + groupParts
    }
  }
}

// MARK: - Groups

extension ReductionTree {
  enum Role {
    /// The only rank of its group.
    case whole
    /// The rank with the lower half of its group's parts, which speaks for the group.
    case first
    /// The rank with the upper half, which hands its sum to the first and gets the result back.
    case second
  }

  /// P, the largest power of two that is at most R.
  var groupCount: Int { 1 << (Int.bitWidth - 1 - rankCount.leadingZeroBitCount) }

  /// How many groups, counted from the first, have two ranks.
  private var splitGroupCount: Int { rankCount - groupCount }

  func place(of rank: Int) -> (group: Int, role: Role) {
    precondition((0..<rankCount).contains(rank), "no such rank")
    let split = splitGroupCount
    if rank >= 2 * split { return (rank - split, .whole) }
    return (rank / 2, rank.isMultiple(of: 2) ? .first : .second)
  }

  /// The rank that speaks for a group.
  func speaker(of group: Int) -> Int {
    group < splitGroupCount ? 2 * group : group + splitGroupCount
  }
}

// MARK: - Exchange between ranks

extension ReductionTree {
  /// One exchange of one rank over a buffer: send one range and receive another, to or from one
  /// peer. A range that is empty is not sent.
  struct Step: Equatable {
    let peer: Int
    let send: Range<Int>
    let receive: Range<Int>
    /// Whether what comes in is added to the range or replaces it.
    let adds: Bool

    static let idle = Step(peer: 0, send: 0..<0, receive: 0..<0, adds: false)
  }

  /// How many steps the exchange has; the same on every rank, some of which idle in some of them.
  var stepCount: Int { 2 * levels + (isFolded ? 2 : 0) }
  /// The first half of the steps: after them each range has its sum, on one rank.
  var scatterSteps: Range<Int> { 0..<stepCount / 2 }
  /// The second half: after them every rank has every range.
  var gatherSteps: Range<Int> { stepCount / 2..<stepCount }

  /// What `rank` has the sum of after ``scatterSteps`` over `count` floats; empty on second ranks.
  ///
  /// - Parameter block: ranges begin at its multiples.
  func owned(by rank: Int, count: Int, block: Int = 1) -> Range<Int> {
    let (group, role) = place(of: rank)
    return role == .second ? 0..<0 : range(of: group, after: levels, count: count, block: block)
  }

  /// What `rank` has the sum over its group and 2^`halvings` - 1 neighbours of after as many halvings,
  /// in a tree without second ranks.
  func halved(by halvings: Int, of rank: Int, count: Int, block: Int) -> Range<Int> {
    range(of: rank, after: halvings, count: count, block: block)
  }

  /// The exchange of `rank` over `count` floats, step by step: in a tree whose ranks are no power
  /// of two a fold of the second ranks into the first; recursive halving, which leaves a group with
  /// the sum of 1/P of the buffer; recursive doubling, which gathers the pieces; and the way back
  /// to the second ranks.
  ///
  /// Halving begins with the nearest groups, distance 1, since that is the tree's next level:
  /// Thakur, Rabenseifner, Gropp, "Optimization of collective communication operations in MPICH"
  /// (2005), section 4.5, but with the surplus ranks folded inside a subtree rather than anywhere.
  ///
  /// - Parameter block: halves begin at its multiples.
  func step(_ index: Int, of rank: Int, count: Int, block: Int = 1) -> Step {
    let (group, role) = place(of: rank)
    let whole = 0..<count
    if isFolded, index == 0 || index == stepCount - 1 {
      let isFold = index == 0
      switch role {
      case .whole:
        return .idle
      case .first:
        return Step(
          peer: rank + 1, send: isFold ? 0..<0 : whole, receive: isFold ? whole : 0..<0,
          adds: isFold)
      case .second:
        return Step(
          peer: rank - 1, send: isFold ? whole : 0..<0, receive: isFold ? 0..<0 : whole,
          adds: false)
      }
    }
    if role == .second { return .idle }
    let inner = isFolded ? index - 1 : index
    let isHalving = inner < levels
    let level = isHalving ? inner : 2 * levels - 1 - inner
    let sibling = group ^ (1 << level)
    let own = range(of: group, after: level + 1, count: count, block: block)
    let other = range(of: sibling, after: level + 1, count: count, block: block)
    return Step(
      peer: speaker(of: sibling), send: isHalving ? other : own,
      receive: isHalving ? own : other, adds: isHalving)
  }

  /// log2 P, the tree's levels between groups.
  private var levels: Int { groupCount.trailingZeroBitCount }
  private var isFolded: Bool { rankCount > groupCount }

  /// What a group is responsible for after so many halvings: at each level the group whose bit is
  /// zero keeps the lower half.
  private func range(
    of group: Int, after halvings: Int, count: Int, block: Int
  ) -> Range<Int> {
    var range = 0..<count
    for level in 0..<halvings {
      let middle = range.lowerBound + range.count / 2 / block * block
      let keepsLower = (group >> level) & 1 == 0
      range = keepsLower ? range.lowerBound..<middle : middle..<range.upperBound
    }
    return range
  }
}
