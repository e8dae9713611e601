import Manifests

/// Which columns of a table mean what.
package struct DatasetColumns: Sendable, Equatable {
  /// The default names of the text column, in the order in which they are looked for.
  static let defaultTexts = ["Tweet", "text", "sentence"]
  static let defaultIDs = ["ID", "id"]
  static let defaultLabel = "label"

  /// The text; nil: `Tweet`, else `text`, else `sentence`.
  package var text: String?
  /// The second text of a pair; nil: single texts.
  package var pair: String?
  /// What names a row; nil: `ID` or `id` where there is one, else the row's number from 0.
  package var id: String?
  /// What rows are labelled for: multi-label, multi-class or regression.
  package var task: ShardTask
  /// Multi-label: the label columns, in this order; nil: every column that is none of the above.
  /// Multi-class: the values that the label column may have, in this order; nil: those that it has,
  /// integers in their order, names in that of their bytes.
  package var labels: [String]?
  /// The one column of the label where rows have one; nil: `label`.
  package var label: String?

  package init(
    task: ShardTask = .multiLabel, text: String? = nil, pair: String? = nil, id: String? = nil,
    labels: [String]? = nil, label: String? = nil
  ) {
    self.task = task
    self.label = label
    self.text = text
    self.pair = pair
    self.id = id
    self.labels = labels
  }
}

/// The places of the columns in one file's records.
struct ColumnLayout {
  let text: Int
  let pair: Int?
  let id: Int?
  let labels: [Int]
  let labelNames: [String]

  /// - Parameter place: the header's place, for errors.
  init(_ wanted: DatasetColumns, among columns: [String], place: String) throws {
    func index(of name: String, _ option: String) throws -> Int {
      guard let index = columns.firstIndex(of: name) else {
        throw ShardsError(
          place: place, expected: "a column \(quoted(name))", found: quotedList(columns),
          remedy: "name a column that is there with \(option)")
      }
      return index
    }
    if let name = wanted.text {
      text = try index(of: name, "--text-column")
    } else {
      let known = DatasetColumns.defaultTexts
      guard let found = known.lazy.compactMap({ columns.firstIndex(of: $0) }).first else {
        throw ShardsError(
          place: place, expected: "a column `Tweet`, `text` or `sentence`",
          found: quotedList(columns), remedy: "name the text column with --text-column")
      }
      text = found
    }
    pair = try wanted.pair.map { try index(of: $0, "--pair-column") }
    id =
      try wanted.id.map { try index(of: $0, "--id-column") }
      ?? DatasetColumns.defaultIDs.lazy.compactMap { columns.firstIndex(of: $0) }.first
    let others = [text, pair, id].compactMap(\.self)
    if wanted.task != .multiLabel {
      labels = [try index(of: wanted.label ?? DatasetColumns.defaultLabel, "--label-column")]
    } else if let names = wanted.labels {
      labels = try names.map { try index(of: $0, "--labels") }
    } else {
      labels = columns.indices.filter { !others.contains($0) }
    }
    labelNames = labels.map { columns[$0] }
    try check(others, columns, place)
  }

  private func check(_ others: [Int], _ columns: [String], _ place: String) throws {
    guard !labels.isEmpty else {
      throw ShardsError(
        place: place, expected: "a column for each label", found: quotedList(columns),
        remedy: "add columns of 0 and 1, or name them with --labels")
    }
    if let index = labels.first(where: { columns[$0].isEmpty || columns[$0].utf8.contains(0) }) {
      throw ShardsError(
        place: place, expected: "a name for every label column",
        found: "none for column \(index + 1)",
        remedy: "name it, or name the label columns with --labels")
    }
    var used = Set<Int>()
    for index in others + labels where !used.insert(index).inserted {
      throw ShardsError(
        place: place, expected: "a column for each use", found: "\(quoted(columns[index])) twice",
        remedy: "name each column once")
    }
  }
}

/// The value of a label by its spelling: 0, 1, 0.0, 1.0, true or false in any case; else nil.
func labelValue(_ bytes: ArraySlice<UInt8>) -> Float? {
  switch bytes.count {
  case 1 where bytes.first == UInt8(ascii: "0"): return 0
  case 1 where bytes.first == UInt8(ascii: "1"): return 1
  case 3 where bytes.elementsEqual("0.0".utf8): return 0
  case 3 where bytes.elementsEqual("1.0".utf8): return 1
  case 4 where bytes.lazy.map({ $0 | 0x20 }).elementsEqual("true".utf8): return 1
  case 5 where bytes.lazy.map({ $0 | 0x20 }).elementsEqual("false".utf8): return 0
  default: return nil
  }
}

/// Labels in the order in which they are numbered where nobody named them: integers by their value, names by
/// their bytes.
func orderedLabels(_ names: Set<String>) -> [String] {
  let byBytes = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  let numbers = byBytes.compactMap { Int($0) }
  guard numbers.count == names.count else { return byBytes }
  // `1` and `01` are two labels.
  return zip(numbers, byBytes).enumerated()
    .sorted { ($0.element.0, $0.offset) < ($1.element.0, $1.offset) }.map(\.element.1)
}
