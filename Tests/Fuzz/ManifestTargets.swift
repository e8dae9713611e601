import Foundation

@testable import Manifests
@testable import Shards
@testable import Tokenizers

private let hash = String(repeating: "0a", count: 32)

private let manifestSeeds = [
  """
  {"files": [{"name": "a.h5", "bytes": 12, "sha256": "\(hash)", "rows": 3, "tokens": 9},
   {"name": "é\\ud83d\\ude00.h5", "bytes": 0, "sha256": "\(hash)", "rows": 0, "tokens": 0}],
   "format": "lockstep-shards", "version": 1, "task": "multi-label", "label_names": ["joy", "fear"],
   "max_length": 64, "vocabulary_sha256": "\(hash)", "texts_per_row": 1, "rows": 3, "tokens": 9,
   "length_histogram": [0, 0, 1, 2]}
  """,
  #"{"files": [], "format": "lockstep-checkpoint"}"#,
  #"{"a": [1.5e-3, true, false, null, {"b": "\u0041\n\ud83d\ude00"}], "c": -0}"#,
  "[[[[[[[[]]]]]]]]",
].map { Array($0.utf8) }

let jsonWords = [
  "{\"", "\":", "\",\"", "[]", "{}", "true", "false", "null", "\\u00e9", "\\ud83d\\ude00", "1e9",
  "9223372036854775807", "-1", "0.5",
]

private let manifestWords =
  jsonWords + [
    "\"files\":", "\"name\":", "\"bytes\":", "\"sha256\":", "\"format\":", "\"rows\":",
    "\"tokens\":", "\"label_names\":", "\"max_length\":", "../", "manifest.json", hash,
  ]

let manifestTargets = [
  FuzzTarget("json", seeds: manifestSeeds, words: jsonWords, run: compareParsers),
  FuzzTarget("manifest", seeds: manifestSeeds, words: manifestWords) { bytes in
    let manifest = try Manifest(bytes: bytes, place: "manifest.json")
    for file in manifest.files {
      require(isPlainFileName(file.name), "a file within the folder")
      require(file.bytes >= 0 && isDigest(file.sha256), "a size and a hash")
    }
    struct Written: Encodable {
      let format: String?
      let files: [FileRecord]
    }
    let text = try JSONEncoder().encode(Written(format: manifest.format, files: manifest.files))
    require(try Manifest(bytes: Array(text), place: "again") == manifest, "reads as written")
  },
  FuzzTarget("shard-manifest", seeds: manifestSeeds, words: manifestWords) { bytes in
    let manifest = try ShardManifest(of: sealed(bytes))
    require(
      manifest.rows >= 0 && manifest.tokens >= 0 && manifest.description.maxLength >= 1,
      "counts that rows can have")
    let text = try JSONEncoder().encode(manifest)
    require(try ShardManifest(of: sealed(Array(text))) == manifest, "reads as written")
    // The files that it lists are not there.
    do { _ = try ShardFolder(path: scratch) } catch is ShardsError { return }
    require(false, "a folder without its files was opened")
  },
]

/// A folder whose manifest is `bytes`, and says so.
private func sealed(_ bytes: [UInt8]) throws -> SealedFolder {
  _ = write(bytes, to: manifestName)
  _ = write(manifestDigestLine(sha256(of: bytes)), to: manifestDigestName)
  return try SealedFolder(path: scratch)
}

/// Two parsers of JSON that were written apart must take the same texts, but for what one of them
/// refuses on purpose.
private func compareParsers(_ bytes: [UInt8]) throws {
  var defect: JSONReader.Defect?
  do {
    var reader = JSONReader(bytes, maxDepth: 128)
    try reader.skipValue()
    try reader.readEnd()
  } catch let error as JSONReader.Defect { defect = error }
  let tree: JSON
  do { tree = try JSON(parsing: bytes, name: "text") } catch let error as TokenizerError {
    require(
      defect != nil || error.expected == "a finite number", "only one parser refuses: \(error)")
    throw error
  }
  require(
    defect.map { $0.expected.hasPrefix("each key once") || $0.expected.hasPrefix("a name of") }
      ?? true,
    "only one parser refuses: \(String(describing: defect))")
  let text = Array(serialized(tree).utf8)
  let again = try JSON(parsing: text, name: "again")
  require(serialized(again).utf8.elementsEqual(text), "reads as written")
}

private func serialized(_ json: JSON) -> String {
  switch json {
  case .null: "null"
  case .bool(let value): "\(value)"
  case .integer(let value): "\(value)"
  case .number(let value): "\(value)"
  case .string(let value): jsonText(value)
  case .array(let values): "[" + values.map(serialized).joined(separator: ",") + "]"
  case .object(let members):
    "{" + members.map { jsonText($0.key) + ":" + serialized($0.value) }.joined(separator: ",") + "}"
  }
}

/// A JSON string, quotes included.
func jsonText(_ string: String) -> String {
  var text = "\""
  for scalar in string.unicodeScalars {
    switch scalar {
    case "\"", "\\": text.unicodeScalars.append(contentsOf: ["\\", scalar])
    case "\0"..<" ":
      text += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
    default: text.unicodeScalars.append(scalar)
    }
  }
  return text + "\""
}
