/// The rows of one file, read where they lie.
protocol ShardContent: AnyObject {
  /// [rows + 1] Tokens before each row.
  var offsets: [Int64] { get }
  /// Bytes that all rows take decoded.
  var decodedBytes: Int { get }
  /// Neighbouring rows, numbered from the file's first; every value checked.
  func read(_ rows: Range<Int>) throws -> RowBatch
  /// What names a row; nil where the file does not say.
  func rowID(_ row: Int) throws -> String?
  /// What question answering has beside tokens; nil for other tasks, and where the file has none.
  func answerContext(_ row: Int) throws -> AnswerContext?
}

/// Token ids are not negative, and fit the packed form.
func checkedID(_ id: Int64, _ place: String) throws -> Int32 {
  guard let id = Int32(exactly: id), id >= 0 else {
    throw ShardsError(
      place: place, expected: "token ids from 0 to \(Int32.max)", found: "\(id)",
      remedy: "write the shards again")
  }
  return id
}

func checkedTokenCount(_ count: Int, _ place: String) throws -> Int32 {
  guard let count = Int32(exactly: count) else {
    throw ShardsError(
      place: place, expected: "at most \(Int32.max) tokens at once", found: "\(count)",
      remedy: "read fewer rows at once")
  }
  return count
}
