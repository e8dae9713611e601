/// Cuts a global batch into `parts` lists of about the same number of tokens each.
///
/// The rows are halved by tokens, each half is halved again, and so on, so that the parts are the
/// leaves of a balanced binary tree: any power-of-two number of ranks takes whole subtrees of it,
/// and each level is balanced. A halving takes the rows from the longest to the shortest and puts
/// each into the half with fewer tokens (with fewer rows where tokens are equal, then the first).
/// It depends on `lengths` alone.
///
/// - Parameters:
///   - lengths: the tokens of each row of the batch.
///   - parts: a power of two.
/// - Returns: for each part the indices of its rows in the batch, ascending; a part may be empty.
package func bisect(lengths: [Int], parts: Int) -> [[Int]] {
  precondition(parts > 0 && parts & (parts - 1) == 0, "parts are a power of two")
  // Sorted once: a half keeps the order of the whole.
  let longestFirst = lengths.indices.sorted {
    (lengths[$1], $0) < (lengths[$0], $1)
  }
  return halves(of: longestFirst, lengths, parts: parts).map { $0.sorted() }
}

private func halves(of rows: [Int], _ lengths: [Int], parts: Int) -> [[Int]] {
  guard parts > 1 else { return [rows] }
  var first: (rows: [Int], tokens: Int) = ([], 0)
  var second: (rows: [Int], tokens: Int) = ([], 0)
  for row in rows {
    if (first.tokens, first.rows.count) <= (second.tokens, second.rows.count) {
      first.rows.append(row)
      first.tokens += lengths[row]
    } else {
      second.rows.append(row)
      second.tokens += lengths[row]
    }
  }
  return halves(of: first.rows, lengths, parts: parts / 2)
    + halves(of: second.rows, lengths, parts: parts / 2)
}
