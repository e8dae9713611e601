/// A set of byte strings with a value each, walked byte by byte to find the longest entry that a
/// text begins with. Edges lie in one open-addressing hash table, so that building it from a
/// vocabulary of 30,522 tokens takes milliseconds.
struct ByteTrie: Sendable {
  typealias Node = UInt32
  static let root: Node = 0

  /// Edges: parent and byte in one word (`key`), and the child. A child of 0 marks an empty slot,
  /// since the root is nobody's child.
  private var slots: [Slot]
  private var shift: UInt32
  /// The value of each node, `absent` for nodes that end no entry.
  private var values: [Int32] = [Self.absent]

  private struct Slot: Sendable {
    var key: UInt32
    var child: Node
  }

  static let absent: Int32 = -1
  /// A parent and a byte share 32 bits.
  static let maxNodes = 1 << 24

  /// `capacity` is a guess of the number of nodes.
  init(capacity: Int = 16) {
    let bits = max(4, Int.bitWidth - (capacity * 2 - 1).leadingZeroBitCount)
    slots = [Slot](repeating: Slot(key: 0, child: 0), count: 1 << bits)
    shift = UInt32(32 - bits)
    values.reserveCapacity(capacity)
  }

  /// Adds an entry unless it is there already; then its value is returned and nothing changes.
  /// `bytes.count` more nodes fit: `nodeCount + bytes.count <= maxNodes`.
  mutating func insert(_ bytes: some Sequence<UInt8>, value: Int32) -> Int32? {
    var node = Self.root
    for byte in bytes { node = child(of: node, byte) ?? addChild(of: node, byte) }
    if values[Int(node)] != Self.absent { return values[Int(node)] }
    values[Int(node)] = value
    return nil
  }

  var nodeCount: Int { values.count }

  /// The node that `bytes` lead to, if entries begin with them.
  func node(after bytes: some Sequence<UInt8>) -> Node? {
    var node = Self.root
    for byte in bytes {
      guard let next = child(of: node, byte) else { return nil }
      node = next
    }
    return node
  }

  /// The value of the entry `bytes`.
  func value(of bytes: some Sequence<UInt8>) -> Int32? {
    guard let node = node(after: bytes), values[Int(node)] != Self.absent else { return nil }
    return values[Int(node)]
  }

  /// The value of the entry `text[range]`.
  func value(of range: Range<Int>, in text: Span<UInt8>) -> Int32? {
    var node = Self.root
    for position in range {
      guard let next = child(of: node, text[position]) else { return nil }
      node = next
    }
    return values[Int(node)] == Self.absent ? nil : values[Int(node)]
  }

  /// The longest non-empty entry below `start` that `text[position..<end]` begins with: its value
  /// and where it ends in `text`.
  @inline(__always)
  func longestMatch(
    in text: Span<UInt8>, from position: Int, to end: Int, below start: Node
  ) -> (value: Int32, end: Int)? {
    var node = start
    var cursor = position
    var best: (value: Int32, end: Int)?
    while cursor < end, let next = child(of: node, text[cursor]) {
      node = next
      cursor += 1
      let value = values[Int(node)]
      if value != Self.absent { best = (value, cursor) }
    }
    return best
  }

  /// Calls `body` with the value and the end of every non-empty entry that `text[position..<end]`
  /// begins with, the shortest first.
  @inline(__always)
  func forEachMatch(
    in text: Span<UInt8>, from position: Int, to end: Int,
    _ body: (_ value: Int32, _ end: Int) -> Void
  ) {
    var node = Self.root
    var cursor = position
    while cursor < end, let next = child(of: node, text[cursor]) {
      node = next
      cursor += 1
      let value = values[Int(node)]
      if value != Self.absent { body(value, cursor) }
    }
  }

  @inline(__always)
  private func child(of parent: Node, _ byte: UInt8) -> Node? {
    let key = parent << 8 | UInt32(byte)
    var slot = Int((key &* 0x9E37_79B1) >> shift)
    while slots[slot].child != 0 {
      if slots[slot].key == key { return slots[slot].child }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  private mutating func addChild(of parent: Node, _ byte: UInt8) -> Node {
    let child = Node(values.count)
    values.append(Self.absent)
    if values.count * 2 > slots.count { grow() }
    place(Slot(key: parent << 8 | UInt32(byte), child: child))
    return child
  }

  private mutating func place(_ new: Slot) {
    var slot = Int((new.key &* 0x9E37_79B1) >> shift)
    while slots[slot].child != 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = new
  }

  private mutating func grow() {
    let old = slots
    slots = [Slot](repeating: Slot(key: 0, child: 0), count: old.count * 2)
    shift -= 1
    for slot in old where slot.child != 0 { place(slot) }
  }
}
