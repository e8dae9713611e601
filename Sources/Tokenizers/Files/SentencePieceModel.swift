/// What of a SentencePiece model file (`spm.model`, `sentencepiece.bpe.model`) makes a tokenizer. The
/// file is a Protocol Buffers message, `ModelProto` of sentencepiece_model.proto.
struct SentencePieceModel: Sendable {
  struct Piece: Sendable {
    var text: String
    var score: Float
  }

  private(set) var pieces: [Piece] = []
  private(set) var unknownID = 0
  private(set) var fallsBackToBytes = false
  /// Empty if the model has none.
  private(set) var characterMap: [UInt8] = []
  private var modelType = 1

  /// - Throws: `TokenizerError` if the bytes are no such message or of a model that is not unigram.
  init(parsing bytes: [UInt8], path: String) throws {
    var reader = ProtobufReader(bytes: bytes, path: path)
    while let field = try reader.next() {
      switch field.number {
      case 1: pieces.append(try Self.piece(try reader.message(field)))
      case 2: try readTrainer(try reader.message(field))
      case 3: try readNormalizer(try reader.message(field))
      default: break
      }
    }
    guard modelType == 1 else {
      throw TokenizerError(
        place: path, expected: "a unigram model", found: "model type \(modelType)",
        remedy: "take a model that uses it, as DeBERTa-v3 and XLM-R do")
    }
    guard pieces.indices.contains(unknownID) else {
      throw TokenizerError(
        place: path, expected: "an unknown piece among the \(pieces.count)",
        found: "number \(unknownID)", remedy: "take the model as it was published")
    }
  }

  private static func piece(_ message: ProtobufReader) throws -> Piece {
    var reader = message
    var piece = Piece(text: "", score: 0)
    while let field = try reader.next() {
      switch field.number {
      case 1: piece.text = try reader.string(field)
      case 2: piece.score = try reader.float(field)
      default: break
      }
    }
    if piece.text.isEmpty {
      throw reader.failure(expected: "a piece with a text", found: "an empty one")
    }
    return piece
  }

  private mutating func readTrainer(_ message: ProtobufReader) throws {
    var reader = message
    while let field = try reader.next() {
      switch field.number {
      case 3: modelType = try reader.integer(field)
      case 35: fallsBackToBytes = try reader.integer(field) != 0
      case 40: unknownID = try reader.integer(field)
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ message: ProtobufReader) throws {
    var reader = message
    while let field = try reader.next() {
      if field.number == 2 { characterMap = try reader.bytes(field) }
    }
  }
}
