/// The rows of `lockstep tokenize`: a JSON object a line in, a JSON object a line out.
package struct TokenizeRows {
  private let tokenizer: Tokenizer
  private let maxLength: Int?
  private let name: String
  private var line = 0

  /// `maxLength` is for rows without their own; `name` is what errors call the input.
  package init(tokenizer: Tokenizer, maxLength: Int?, name: String) {
    self.tokenizer = tokenizer
    self.maxLength = maxLength
    self.name = name
  }

  /// Tokenizes the next line, `{"text", "pair"?, "max_length"?}` (other keys are passed over), and
  /// appends `{"ids": [..], "type_ids": [..]}` and a line feed to `output`.
  package mutating func tokenize(line bytes: [UInt8], into output: inout [UInt8]) throws {
    line += 1
    let place = "\(name):\(line)"
    let row = JSONField(
      file: place, value: try JSON(parsing: bytes, name: name, firstLine: line))
    let text = try row.member("text").string()
    let pair = try row.member("pair")
    let ownLength = try row.member("max_length")
    let length = ownLength.isNull ? maxLength : try ownLength.integer(in: 0...Int(Int32.max))
    do {
      let encoding = try tokenizer.encode(
        text, pair: pair.isNull ? nil : pair.string(), maxLength: length)
      Self.append(encoding, to: &output)
    } catch let error as TokenizerError where !error.place.hasPrefix(place) {
      throw TokenizerError(
        place: "\(place), \(error.place)", expected: error.expected, found: error.found,
        remedy: error.remedy)
    }
  }

  private static func append(_ encoding: Encoding, to output: inout [UInt8]) {
    output.append(contentsOf: "{\"ids\": [".utf8)
    append(encoding.ids, to: &output)
    output.append(contentsOf: "], \"type_ids\": [".utf8)
    append(encoding.typeIDs, to: &output)
    output.append(contentsOf: "]}\n".utf8)
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
