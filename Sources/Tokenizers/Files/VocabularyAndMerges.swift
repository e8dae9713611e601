/// Reading vocab.json, `{"token": id, ..}`, and merges.txt, two tokens a line, with the settings beside
/// them, as `transformers` reads them when the folder of a RoBERTa or a DeBERTa has no tokenizer.json.
extension TokenizerDefinition {
  init(mergesIn files: TokenizerFiles, kind: TokenizerKind) throws {
    let path = files.path("vocab.json")
    let settings = try TokenizerSettings(files: files, kind: kind)
    let entries = try ModelReader.entries(
      of: JSONField(file: path, value: try JSON(parsing: ModelFile.read(path), name: path)))
    let tokens = try NamedTokens(model: entries, settings: settings, path: path)
    let addsPrefixSpace = try settings.bool("add_prefix_space", default: false)
    vocabulary = tokens.vocabulary
    addedTokens = tokens.added
    template = try tokens.template()
    normalizer = Normalizer(steps: [])
    model = .bytePairs(
      BytePairDefinition(
        preTokenizer: ByteLevelPreTokenizer(addsPrefixSpace: addsPrefixSpace),
        merges: try Self.merges(files.path("merges.txt"), vocabulary), unknownID: nil))
    trimming =
      try kind == .roberta && settings.bool("trim_offsets", default: true)
      ? SpaceTrimming(addsPrefixSpace: addsPrefixSpace) : nil
    decoder = .byteLevel
  }

  /// A first line that begins with `#version` is none, nor is an empty one.
  private static func merges(
    _ path: String, _ vocabulary: Vocabulary
  ) throws -> [BytePairEncoding.Merge] {
    let reader = MergeReader(vocabulary: vocabulary)
    var merges: [BytePairEncoding.Merge] = []
    let lines = try ModelFile.read(path).split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where !line.isEmpty {
      let place = "\(path):\(index + 1)"
      guard let text = String(validating: line, as: UTF8.self) else {
        throw TokenizerError(
          place: place, expected: "UTF-8", found: "bytes that are not",
          remedy: "take the merges as they were published")
      }
      if text.hasPrefix("#version") { continue }
      merges.append(try reader.merge(text, place: place))
    }
    return merges
  }
}
