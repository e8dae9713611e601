/// The rows of `lockstep tokenize`: a JSON object a line in, a JSON object a line out.
package struct TokenizeRows {
  private let tokenizer: Tokenizer
  private let maxLength: Int?
  private let givesOffsets: Bool
  private let name: String
  private var line = 0

  /// `maxLength` is for rows without their own; `name` is what errors call the input.
  package init(tokenizer: Tokenizer, maxLength: Int?, givesOffsets: Bool = false, name: String) {
    self.tokenizer = tokenizer
    self.maxLength = maxLength
    self.givesOffsets = givesOffsets
    self.name = name
  }

  /// Tokenizes the next line, `{"text", "pair"?, "max_length"?}` or `{"words": [..], "max_length"?}`
  /// (other keys are passed over), and appends `{"ids": [..], "type_ids": [..]}` and a line feed to
  /// `output`. Rows of words also have `"words"`, the index of each token's word; rows of texts have
  /// `"offsets"` if they are asked for, the range of each token in bytes of UTF-8, and `"texts"`, 0 or
  /// 1. All these are null for special tokens.
  package mutating func tokenize(line bytes: [UInt8], into output: inout [UInt8]) throws {
    line += 1
    let place = "\(name):\(line)"
    let row = JSONField(
      file: place, value: try JSON(parsing: bytes, name: name, firstLine: line))
    let words = try row.member("words")
    let text = words.isNull ? try row.member("text").string() : ""
    let pairField = try row.member("pair")
    let pair = pairField.isNull ? nil : try pairField.string()
    let ownLength = try row.member("max_length")
    let length = ownLength.isNull ? maxLength : try ownLength.integer(in: 0...Int(Int32.max))
    do {
      if !words.isNull {
        let words = try words.elements().map { try $0.string() }
        append(try tokenizer.encode(words: words, maxLength: length), isWords: true, to: &output)
      } else if givesOffsets {
        let encoding = try tokenizer.encodeAligned(text, pair: pair, maxLength: length)
        append(encoding, isWords: false, to: &output)
      } else {
        let encoding = try tokenizer.encode(text, pair: pair, maxLength: length)
        Self.append(encoding.ids, named: "{\"ids", to: &output)
        Self.append(encoding.typeIDs, named: ", \"type_ids", to: &output)
        output.append(contentsOf: "}\n".utf8)
      }
    } catch let error as TokenizerError where !error.place.hasPrefix(place) {
      throw TokenizerError(
        place: "\(place), \(error.place)", expected: error.expected, found: error.found,
        remedy: error.remedy)
    }
  }

  private func append(_ encoding: AlignedEncoding, isWords: Bool, to output: inout [UInt8]) {
    Self.append(encoding.ids, named: "{\"ids", to: &output)
    Self.append(encoding.typeIDs, named: ", \"type_ids", to: &output)
    var fields: [(name: String, values: [String])] = []
    if isWords {
      fields.append(("words", encoding.words.map { $0.map { "\($0)" } ?? "null" }))
    } else {
      let ranges = encoding.sources.map { $0?.bytes }
      let texts = encoding.sources.map { $0?.text }
      fields.append(
        ("offsets", ranges.map { $0.map { "[\($0.lowerBound), \($0.upperBound)]" } ?? "null" }))
      fields.append(("texts", texts.map { $0.map { $0 == .first ? "0" : "1" } ?? "null" }))
    }
    for field in fields {
      output.append(
        contentsOf: ", \"\(field.name)\": [\(field.values.joined(separator: ", "))]".utf8)
    }
    output.append(contentsOf: "}\n".utf8)
  }

  private static func append(
    _ integers: [some FixedWidthInteger], named opening: String, to output: inout [UInt8]
  ) {
    output.append(contentsOf: opening.utf8)
    output.append(contentsOf: "\": [".utf8)
    append(integers, to: &output)
    output.append(UInt8(ascii: "]"))
  }

  private static func append(_ integers: [some FixedWidthInteger], to output: inout [UInt8]) {
    for (index, integer) in integers.enumerated() {
      if index > 0 { output.append(contentsOf: ", ".utf8) }
      append(Int(integer), to: &output)
    }
  }

  /// Decimal digits; faster than by way of a String, which is most of the time of a short row.
  private static func append(_ integer: Int, to output: inout [UInt8]) {
    if integer >= 10 { append(integer / 10, to: &output) }
    output.append(UInt8(ascii: "0") + UInt8(integer % 10))
  }
}
