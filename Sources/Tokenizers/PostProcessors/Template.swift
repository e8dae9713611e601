/// The special tokens around a text or a pair, and the type ids of all (Hugging Face's
/// TemplateProcessing; BertProcessing and RobertaProcessing are templates with fixed forms).
struct Template: Sendable, Equatable {
  struct Piece: Sendable, Equatable {
    enum Content: Sendable, Equatable {
      case special(Int32)
      case first
      case second
    }

    var content: Content
    var typeID: UInt8
  }

  /// `[CLS] A [SEP]` in BERT.
  var single: [Piece]
  /// `[CLS] A [SEP] B [SEP]` in BERT, the last two of type 1.
  var pair: [Piece]

  /// BERT's own.
  static func bert(classifier: Int32, separator: Int32) -> Template {
    let classifier = Piece.Content.special(classifier)
    let separator = Piece.Content.special(separator)
    let single = [classifier, .first, separator].map { Piece(content: $0, typeID: 0) }
    let second = [.second, separator].map { Piece(content: $0, typeID: 1) }
    return Template(single: single, pair: single + second)
  }

  /// RoBERTa's: two separators in the middle and type 0 throughout.
  static func roberta(classifier: Int32, separator: Int32) -> Template {
    let classifier = Piece.Content.special(classifier)
    let separator = Piece.Content.special(separator)
    let single = [classifier, .first, separator]
    let pair = single + [separator, .second, separator]
    return Template(
      single: single.map { Piece(content: $0, typeID: 0) },
      pair: pair.map { Piece(content: $0, typeID: 0) })
  }

  /// How many tokens the template adds.
  func numSpecialTokens(isPair: Bool) -> Int {
    (isPair ? pair : single).count { piece in
      if case .special = piece.content { true } else { false }
    }
  }

  /// Where the tokens of the texts begin.
  func starts(first count: Int, isPair: Bool) -> (first: Int, second: Int?) {
    var (position, first) = (0, 0)
    for piece in isPair ? pair : single {
      switch piece.content {
      case .special: position += 1
      case .first:
        first = position
        position += count
      case .second: return (first, position)
      }
    }
    return (first, nil)
  }

  func apply(first: some Collection<Int32>, second: (some Collection<Int32>)?) -> Encoding {
    let pieces = second == nil ? single : pair
    var encoding = Encoding(ids: [], typeIDs: [])
    encoding.ids.reserveCapacity(first.count + (second?.count ?? 0) + pieces.count)
    for piece in pieces {
      switch piece.content {
      case .special(let id): encoding.ids.append(id)
      case .first: encoding.ids.append(contentsOf: first)
      case .second: if let second { encoding.ids.append(contentsOf: second) }
      }
      let newCount = encoding.ids.count - encoding.typeIDs.count
      encoding.typeIDs.append(contentsOf: repeatElement(piece.typeID, count: newCount))
    }
    return encoding
  }

  /// The same with where tokens come from: that of special ones is nil.
  func apply(
    first: (ids: ArraySlice<Int32>, sources: [TokenSource]),
    second: (ids: ArraySlice<Int32>, sources: [TokenSource])?
  ) -> AlignedEncoding {
    let encoding = apply(first: first.ids, second: second?.ids)
    var sources: [TokenSource?] = []
    for piece in second == nil ? single : pair {
      switch piece.content {
      case .special: sources.append(nil)
      case .first: sources += first.sources as [TokenSource?]
      case .second: sources += (second?.sources ?? []) as [TokenSource?]
      }
    }
    return AlignedEncoding(ids: encoding.ids, typeIDs: encoding.typeIDs, sources: sources)
  }
}

/// Hugging Face's truncation "longest_first" (tokenizers/src/utils/truncation.rs): how many tokens of
/// each text stay when `budget` are allowed. The shorter text stays whole while it takes no more
/// than half; if both are cut, the longer one gets the odd token, and the second one if they are
/// equally long.
///
/// - Parameter favorsFirst: Whether the first text always gets the odd token, as where Python does the
///   cutting (`truncate_sequences` of transformers' tokenization_python.py).
func longestFirst(
  first: Int, second: Int, budget: Int, favorsFirst: Bool = false
) -> (first: Int, second: Int) {
  if first + second <= budget { return (first, second) }
  let shorter = min(first, second)
  var kept = (shorter: shorter, longer: budget - shorter)
  if kept.shorter > kept.longer {
    if favorsFirst { return (budget - budget / 2, budget / 2) }
    kept = (budget / 2, budget - budget / 2)
  }
  return first > second ? (kept.longer, kept.shorter) : (kept.shorter, kept.longer)
}
