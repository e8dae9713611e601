/// The tokenizers that folders without tokenizer.json can hold.
enum TokenizerKind: Sendable {
  case bert, mpnet, roberta, deberta, debertaV2, xlmRoberta, canine

  private static let classes: [(name: String, kind: TokenizerKind)] = [
    ("BertTokenizer", .bert), ("DistilBertTokenizer", .bert), ("ElectraTokenizer", .bert),
    ("MobileBertTokenizer", .bert), ("ConvBertTokenizer", .bert), ("MPNetTokenizer", .mpnet),
    ("RobertaTokenizer", .roberta), ("DebertaTokenizer", .deberta),
    ("DebertaV2Tokenizer", .debertaV2), ("XLMRobertaTokenizer", .xlmRoberta),
    ("CanineTokenizer", .canine),
  ]

  private static let modelTypes: [String: TokenizerKind] = [
    "bert": .bert, "distilbert": .bert, "electra": .bert, "mobilebert": .bert, "convbert": .bert,
    "mpnet": .mpnet, "roberta": .roberta, "deberta": .deberta, "deberta-v2": .debertaV2,
    "xlm-roberta": .xlmRoberta, "canine": .canine,
  ]

  /// Names that tell nothing: any tokenizer may be kept under them.
  private static let generalClasses = ["PreTrainedTokenizer", "TokenizersBackend"]

  /// The kind that tokenizer_config.json's `tokenizer_class` names, else config.json's `model_type`,
  /// else the files that there are; nil if none of these tells.
  init?(files: TokenizerFiles) throws {
    if let field = try files.json("tokenizer_config.json")?.member("tokenizer_class"),
      !field.isNull
    {
      let name = try field.string()
      let stem = name.hasSuffix("Fast") ? String(name.dropLast(4)) : name
      if let known = Self.classes.first(where: { $0.name.hasSameBytes(as: stem) }) {
        self = known.kind
        return
      }
      if !Self.generalClasses.contains(where: stem.hasSameBytes) {
        throw field.failure(
          "one of \(Self.classes.map(\.name).joined(separator: ", "))",
          remedy: "put the model's tokenizer.json into the folder, or take another model")
      }
    }
    if let field = try files.json("config.json")?.member("model_type"), !field.isNull,
      let kind = Self.modelTypes[try field.string()]
    {
      self = kind
      return
    }
    if files.has("vocab.txt") {
      self = .bert
    } else if files.has("vocab.json") {
      self = .roberta
    } else if files.has("spm.model") {
      self = .debertaV2
    } else if files.has("sentencepiece.bpe.model") {
      self = .xlmRoberta
    } else {
      return nil
    }
  }

  /// What special tokens are called unless the settings say otherwise.
  struct SpecialTokens: Sendable {
    var beginning: String?
    var end: String?
    var unknown: String
    var separator: String
    var padding: String
    var classifier: String
    var mask: String
  }

  var specialTokens: SpecialTokens {
    switch self {
    case .bert, .canine:
      return SpecialTokens(
        unknown: "[UNK]", separator: "[SEP]", padding: "[PAD]", classifier: "[CLS]",
        mask: "[MASK]")
    case .deberta, .debertaV2:
      return SpecialTokens(
        beginning: "[CLS]", end: "[SEP]", unknown: "[UNK]", separator: "[SEP]", padding: "[PAD]",
        classifier: "[CLS]", mask: "[MASK]")
    case .mpnet:
      return SpecialTokens(
        beginning: "<s>", end: "</s>", unknown: "[UNK]", separator: "</s>", padding: "<pad>",
        classifier: "<s>", mask: "<mask>")
    case .roberta, .xlmRoberta:
      return SpecialTokens(
        beginning: "<s>", end: "</s>", unknown: "<unk>", separator: "</s>", padding: "<pad>",
        classifier: "<s>", mask: "<mask>")
    }
  }

  /// When the mask token takes the white space before it along, though no file says so.
  enum MaskStripping: Sendable {
    case never
    /// If the files do not name it at all.
    case ifNotNamed
    /// Unless they give it with its flags.
    case unlessSaid
  }

  var maskStrips: MaskStripping {
    switch self {
    case .bert, .debertaV2, .canine: return .never
    case .roberta, .xlmRoberta: return .ifNotNamed
    case .mpnet, .deberta: return .unlessSaid
    }
  }
}
