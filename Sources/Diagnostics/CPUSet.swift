/// Processors of a machine by their numbers, as Linux writes them: `0-3,8`.
package struct CPUSet: Sendable, Equatable, Codable, CustomStringConvertible {
  /// Ascending, each once.
  package let numbers: [Int]

  package init(_ numbers: some Sequence<Int>) { self.numbers = Set(numbers).sorted() }

  /// - Returns: nil for anything but a list of numbers and ranges; the empty text is the empty set.
  package init?(_ text: String) {
    var found: [Int] = []
    for part in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1],
        first >= 0, first <= last, last < 1 << 16
      else { return nil }
      found += first...last
    }
    self.init(found)
  }

  package var count: Int { numbers.count }
  package var isEmpty: Bool { numbers.isEmpty }
  package func union(_ other: CPUSet) -> CPUSet { CPUSet(numbers + other.numbers) }
  package func intersection(_ other: CPUSet) -> CPUSet {
    CPUSet(numbers.filter(other.numbers.contains))
  }

  package var description: String {
    var ranges: [ClosedRange<Int>] = []
    for number in numbers {
      if let last = ranges.last, last.upperBound == number - 1 {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let set = CPUSet(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "expected a list such as 0-3,8, found \(text)")
    }
    self = set
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
