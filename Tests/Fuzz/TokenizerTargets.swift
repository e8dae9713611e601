import Foundation

@testable import Tokenizers

private let smallTokenizer = """
  {"added_tokens":[{"id":0,"content":"[UNK]","special":true,"single_word":false,"lstrip":false,\
  "rstrip":false,"normalized":false},{"id":6,"content":"New ","special":false,"single_word":true,\
  "lstrip":true,"rstrip":true,"normalized":true}],"normalizer":{"type":"BertNormalizer",\
  "clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},\
  "pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":{"type":"TemplateProcessing",\
  "single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},\
  {"SpecialToken":{"id":"[SEP]","type_id":0}}],"pair":[{"SpecialToken":{"id":"[CLS]","type_id":0}},\
  {"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{\
  "[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[2],\
  "tokens":["[SEP]"]}}},"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},"model":{\
  "type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",\
  "max_input_chars_per_word":100,"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3,"##b":4,"é":5}}}
  """

private let tokenizerWords =
  jsonWords + [
    "\"model\":", "\"vocab\":", "\"added_tokens\":", "\"content\":", "\"special\":", "\"type\":",
    "\"BertProcessing\"", "\"RobertaProcessing\"", "\"cls\":", "\"sep\":", "\"ids\":", "\"id\":",
    "\"normalized\":", "\"single_word\":", "\"lstrip\":", "\"rstrip\":", "\"unk_token\":", "##",
    "\"added_tokens_decoder\":", "\"additional_special_tokens\":", "\"do_lower_case\":",
    "\"mask_token\":", "\"tokenizer_class\":", "[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]",
  ]

private let folderNames = [
  "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
]

private let folderSeeds = [
  "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n\u{e9}\n"
    + "\0{\"do_lower_case\": true, \"tokenizer_class\": \"BertTokenizer\"}"
    + "\0{\"mask_token\": {\"content\": \"<m>\", \"lstrip\": true}, \"cls_token\": \"[CLS]\"}"
    + "\0{\"New\": 8, \"<m>\": 9}",
  "[PAD]\n[UNK]\n[CLS]\n[SEP]\n\0{\"added_tokens_decoder\": {\"4\": {\"content\": \"x\"}},"
    + "\"additional_special_tokens\": [\"<s>\"]}",
].map { Array($0.utf8) }

private let subwordWords = [
  "\"BPE\"", "\"Unigram\"", "\"merges\":", "\"unk_id\":", "\"ByteLevel\"", "\"Metaspace\"",
  "\"Sequence\"",
  "\"Precompiled\"", "\"Strip\"", "\"Replace\"", "\"NFC\"", "\"Lowercase\"", "\"WhitespaceSplit\"",
  "\"Punctuation\"", "\"prepend_scheme\":", "\"split\":", "\"byte_fallback\":",
  "\"ignore_merges\":", "\"use_regex\":", "\u{2581}", "\u{120}",
]

private let smallPairs = """
  {"added_tokens":[{"id":0,"content":"<s>","special":true,"single_word":false,"lstrip":true,\
  "rstrip":false,"normalized":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},\
  {"type":"Lowercase"}]},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true,"use_regex":\
  true},"post_processor":{"type":"RobertaProcessing","sep":["</s>",1],"cls":["<s>",0],\
  "trim_offsets":true,"add_prefix_space":true},"decoder":{"type":"ByteLevel"},"model":{"type":\
  "BPE","unk_token":null,"fuse_unk":true,"ignore_merges":false,"vocab":{"<s>":0,"</s>":1,"a":2,\
  "b":3,"\u{120}":4,"ab":5,"\u{120}ab":6},"merges":[["a","b"],"\u{120} ab"]}}
  """

private let smallUnigram = """
  {"added_tokens":[],"normalizer":{"type":"Sequence","normalizers":[{"type":"Strip","strip_left":\
  true,"strip_right":true},{"type":"Precompiled","precompiled_charsmap":"CAAAAAAAAAAAAAAAYQA="},\
  {"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "},{"type":"Replace","pattern":{\
  "String":"b"},"content":"aa"}]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{\
  "type":"WhitespaceSplit"},{"type":"Punctuation"},{"type":"Metaspace","replacement":"\u{2581}",\
  "prepend_scheme":"first","split":true}]},"post_processor":{"type":"BertProcessing","sep":["]",1],\
  "cls":["[",0]},"decoder":null,"model":{"type":"Unigram","unk_id":2,"byte_fallback":true,\
  "vocab":[["[",0],["]",0],["?",0],["\u{2581}",-2.5],["a",-1],["aa",-1.5],["\u{2581}a",-3],["<0x62>",-9]]}}
  """

private let subwordSeeds = [smallPairs, smallUnigram].map { Array($0.utf8) }

let tokenizerTargets = [
  FuzzTarget(
    "tokenizer-json", seeds: [Array(smallTokenizer.utf8)] + subwordSeeds,
    words: tokenizerWords + subwordWords
  ) {
    let json = JSONField(
      file: "tokenizer.json", value: try JSON(parsing: $0, name: "tokenizer.json"))
    let definition = try TokenizerDefinition(tokenizerJSON: json)
    try use(Tokenizer(definition: definition, folder: "model"))
  },
  // The files of a folder without tokenizer.json, a NUL between them.
  FuzzTarget("tokenizer-folder", seeds: folderSeeds, words: tokenizerWords) { bytes in
    let parts = bytes.split(separator: 0, maxSplits: 3, omittingEmptySubsequences: false)
    let folder = "tokenizer"
    mkdir("\(scratch)/\(folder)", 0o700)
    for (index, name) in folderNames.enumerated() {
      if index < parts.count {
        _ = write(parts[index], to: "\(folder)/\(name)")
      } else {
        unlink("\(scratch)/\(folder)/\(name)")
      }
    }
    try use(Tokenizer(modelFolder: "\(scratch)/\(folder)"))
  },
  FuzzTarget(
    "sentencepiece", seeds: [fixture("subword/unigram/spm.model")],
    words: ["\u{2581}", "[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", "<0x61>"]
  ) { bytes in
    mkdir("\(scratch)/sentencepiece", 0o700)
    _ = write(bytes, to: "sentencepiece/spm.model")
    try use(Tokenizer(modelFolder: "\(scratch)/sentencepiece"))
  },
  FuzzTarget("character-map", seeds: [characterMap], words: ["\u{FB01}", "\u{E9}"]) { bytes in
    guard let map = CharacterMap(blob: Array(bytes)) else { return }
    for text in ["", "abc", "\u{FB01}\u{301}\u{3000}\r\n", "\u{1F600}\u{200D}\u{1F600}"] {
      var plain: [UInt8] = []
      map.normalize(Array(text.utf8).span, into: &plain)
      var aligned = AlignedText()
      map.normalize(Array(text.utf8).span, into: &aligned)
      require(plain == aligned.bytes, "the same text with sources as without")
      require(String(validating: plain, as: UTF8.self) != nil, "UTF-8")
    }
  },
  FuzzTarget(
    "text",
    seeds: ["Hello, w\u{f6}rld! \u{4e2d} don't [MASK]x\0pair", "\u{130}\u{301}\u{316}"]
      .map { Array($0.utf8) }, words: ["[MASK]", "[SEP]", "\u{301}", "\u{3000}", "\u{1f600}"]
  ) { bytes in
    let texts = String(decoding: bytes, as: UTF8.self).split(separator: "\0", maxSplits: 1)
    let pair = texts.count > 1 ? String(texts[1]) : nil
    try use(uncased, on: [(String(texts.first ?? ""), nil), (String(texts.first ?? ""), pair)])
  },
]

/// Of the fixture's spm.model.
private let characterMap: [UInt8] = {
  let model = fixture("subword/unigram/spm.model")
  return (try? SentencePieceModel(parsing: Array(model), path: "spm.model").characterMap) ?? []
}()

private let uncased: Tokenizer = {
  mkdir("\(scratch)/uncased", 0o700)
  _ = write(fixture("wordpiece/uncased/tokenizer.json"), to: "uncased/tokenizer.json")
  guard let tokenizer = try? Tokenizer(modelFolder: "\(scratch)/uncased") else {
    fatalError("the fixture is a tokenizer")
  }
  return tokenizer
}()

/// A tokenizer that was accepted gives ids of its vocabulary, within the length asked for.
private func use(
  _ tokenizer: Tokenizer,
  on texts: [(String, String?)] = [
    ("", nil), ("ab \u{e9}\u{301} [MASK]New x\u{4e2d}", nil), ("a", "b New"),
  ]
) throws {
  for (text, pair) in texts {
    for maxLength in [nil, 9] {
      let numSpecial = tokenizer.numSpecialTokens(isPair: pair != nil)
      if let maxLength, maxLength < numSpecial { continue }
      let encoding = try tokenizer.encode(text, pair: pair, maxLength: maxLength)
      require(encoding.ids.count == encoding.typeIDs.count, "a type for every id")
      require(encoding.ids.count <= maxLength ?? .max, "no more than the most")
      for id in encoding.ids {
        require(id >= 0 && Int(id) < tokenizer.vocabularyCount, "ids of the vocabulary")
      }
      let aligned = try tokenizer.encodeAligned(text, pair: pair, maxLength: maxLength)
      require(aligned.ids == encoding.ids, "the same ids with sources as without")
      for source in aligned.sources {
        guard let source else { continue }
        let bytes = Array((source.text == .first ? text : pair ?? "").utf8)
        require(source.bytes.upperBound <= bytes.count, "sources in the text")
      }
      _ = tokenizer.decode(encoding.ids, skipSpecialTokens: maxLength == nil)
    }
  }
}
