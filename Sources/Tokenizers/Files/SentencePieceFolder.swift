/// Reading spm.model (DeBERTa-v2 and v3) or sentencepiece.bpe.model (XLM-R) with the settings beside
/// it: what SentencePiece itself would do, in the steps that Hugging Face's converters make of it.
extension TokenizerDefinition {
  init(sentencePieceIn files: TokenizerFiles, kind: TokenizerKind) throws {
    let path = files.path(kind == .xlmRoberta ? "sentencepiece.bpe.model" : "spm.model")
    let file = try SentencePieceModel(parsing: ModelFile.read(path), path: path)
    let settings = try TokenizerSettings(files: files, kind: kind)
    let (pieces, unknownID) =
      kind == .xlmRoberta ? Self.fairseq(file) : (file.pieces, file.unknownID)
    let entries = pieces.enumerated().map { id, piece in
      Vocabulary.Entry(token: piece.text, id: id, place: "\(path), piece \(id)")
    }
    try Unigram.check(entries)
    let tokens = try NamedTokens(model: entries, settings: settings, path: path)
    vocabulary = tokens.vocabulary
    addedTokens = tokens.added
    template = try tokens.template()
    trimming = nil
    let addsPrefix = try settings.bool("add_prefix_space", default: true)
    let preTokenizer = MetaspacePreTokenizer(
      replacement: "\u{2581}",
      prefix: addsPrefix ? .always : kind == .xlmRoberta ? .never : .first, splits: true,
      cuts: kind == .xlmRoberta
        ? [.whitespace] : try settings.bool("split_by_punct", default: false) ? [.punctuation] : [])
    model = .unigram(
      UnigramDefinition(
        preTokenizer: preTokenizer, scores: pieces.map { Double($0.score) },
        unknownID: Int32(unknownID), fallsBackToBytes: file.fallsBackToBytes))
    var steps: [Normalizer.Step] = []
    if kind == .debertaV2 {
      if try settings.bool("do_lower_case", default: false) { steps.append(.lowercase) }
      steps.append(.strip(left: true, right: true))
    }
    if !file.characterMap.isEmpty {
      guard let map = CharacterMap(blob: file.characterMap) else {
        throw TokenizerError(
          place: path, expected: "a precompiled character map",
          found: "\(file.characterMap.count) bytes that are none",
          remedy: "take the model as it was published")
      }
      steps.append(.characterMap(map))
    }
    if kind == .debertaV2 { steps.append(.replace(.spaces, by: " ")) }
    normalizer = Normalizer(steps: steps)
    decoder = .metaspace(replacement: "\u{2581}", isPrefixed: preTokenizer.prefix != .never)
  }

  /// XLM-R was trained with fairseq's special tokens in place of SentencePiece's first three, one
  /// place further on.
  private static func fairseq(
    _ file: SentencePieceModel
  ) -> (pieces: [SentencePieceModel.Piece], unknownID: Int) {
    let special = ["<s>", "<pad>", "</s>", "<unk>"].map {
      SentencePieceModel.Piece(text: $0, score: 0)
    }
    let mask = SentencePieceModel.Piece(text: "<mask>", score: 0)
    return (special + file.pieces.dropFirst(3) + [mask], 3)
  }
}
