/// Scratch of matrix products: packed operands. It grows when a product needs more than any before it.
final class Workspace: @unchecked Sendable {
  private var arena = Arena(count: 0)

  /// At least `count` floats, with any contents, until the next call; 64-byte aligned.
  func reserve(_ count: Int) -> MutableFloats {
    if arena.count < count { arena = Arena(count: count + count / 8) }
    return arena.base
  }
}
