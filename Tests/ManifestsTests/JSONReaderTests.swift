import Foundation
import Testing

@testable import Manifests

@Suite struct JSONReaderTests {
  /// The defect of a text that is skipped as one value; nil when it is good.
  private func defect(_ text: [UInt8]) -> JSONReader.Defect? {
    var json = JSONReader(text)
    do {
      try json.skipValue()
      try json.readEnd()
    } catch {
      return error as? JSONReader.Defect
    }
    return nil
  }

  private func string(_ text: String) throws -> String {
    var json = JSONReader(Array(text.utf8))
    let value = try json.readString()
    try json.readEnd()
    return value
  }

  @Test(
    "Well-formed values of every kind are read",
    arguments: [
      "{}", "[]", " [ ] ", "\t{\n\"a\" :\r1 , \"b\":[ ]}", "0", "-0", "1.5e-7", "2E+3", "true",
      "false", "null", "\"\"", "[1,[2,[3]]]", "{\"\":{\"\":{}}}", "\"\u{10ffff}\"",
    ])
  func good(_ text: String) { #expect(defect(Array(text.utf8)) == nil) }

  @Test("Numbers are read as the nearest double; those beyond any are defects")
  func numbers() throws {
    for (text, expected) in [
      ("0", 0), (" -1.5e-7 ", -1.5e-7), ("0.1", 0.1), ("1e-400", 0), ("12", 12),
    ] as [(String, Double)] {
      var json = JSONReader(Array(text.utf8))
      #expect(try json.readNumber() == expected)
      try json.readEnd()
    }
    for text in ["1e999", "-1e999", "\"1\"", "null", "", "nan", "inf", "0x1p3"] {
      var json = JSONReader(Array(text.utf8))
      #expect(throws: JSONReader.Defect.self, "\(text)") {
        _ = try json.readNumber()
        try json.readEnd()
      }
    }
  }

  @Test(
    "Malformed values are defects",
    arguments: [
      "", " ", "{", "}", "[", "]", "[1,]", "[,1]", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
      "{a:1}", "{\"a\":1 \"b\":2}", "[1 2]", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "NaN",
      "Infinity", "tru", "True", "nul", "'a'", "\"a", "\"\\\"", "\"\\x\"", "\"\\u12\"",
      "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\n\"", "\"\u{0}\"",
      "1 2", "{}{}", "// a\n1", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "\u{feff}{}",
      "{\"x\":{\"a\":1,\"a\":1}}",
    ])
  func bad(_ text: String) throws {
    let found = try #require(defect(Array(text.utf8)))
    #expect((0...text.utf8.count).contains(found.offset))
  }

  @Test("Strings are read with their escapes resolved")
  func strings() throws {
    #expect(try string(#""a\"\\\/\b\f\n\r\tz""#) == "a\"\\/\u{8}\u{c}\n\r\tz")
    #expect(try string(#""\u00e9\u20AC\ud83d\ude00""#) == "é€😀")
    #expect(try string("\"é€😀\"") == "é€😀")
    #expect(defect([0x22, 0xed, 0xa0, 0x80, 0x22])?.expected == "UTF-8")
  }

  @Test("Nesting is bounded, so that no text overflows the stack")
  func depth() {
    func nested(_ depth: Int) -> [UInt8] {
      Array(String(repeating: "[", count: depth).utf8)
        + Array(String(repeating: "]", count: depth).utf8)
    }
    #expect(defect(nested(32)) == nil)
    #expect(defect(nested(33))?.expected == "at most 32 levels of nesting")
    #expect(defect(nested(1_000_000))?.offset == 32)
  }

  @Test("Integers are read exactly or refused")
  func integers() throws {
    func integer(_ text: String) throws -> Int {
      var json = JSONReader(Array(text.utf8))
      let value = try json.readInteger()
      try json.readEnd()
      return value
    }
    #expect(try integer("9223372036854775807") == .max)
    #expect(try integer("-9223372036854775808") == .min)
    #expect(try integer(" 0 ") == 0)
    for text in ["9223372036854775808", "1.0", "1e3", "01", "\"1\"", "", "- 1"] {
      #expect(throws: JSONReader.Defect.self, "\(text)") { try integer(text) }
    }
  }

  /// Comparing two strings that begin alike takes the square of the marks on their last character:
  /// this one would take minutes.
  @Test("A megabyte of combining marks in a key or a name is refused before it is compared")
  func combiningMarks() throws {
    let marks = String(repeating: "\u{301}\u{316}", count: 1 << 18)
    let clock = ContinuousClock()
    for text in [
      #"{"a\#(marks)": 1}"#, #"{"files": [{"name": "a\#(marks)"}]}"#, #"{"format": "\#(marks)"}"#,
    ] {
      var message = ""
      let time = clock.measure {
        do { _ = try Manifest(bytes: Array(text.utf8), place: "m") } catch { message = "\(error)" }
      }
      #expect(message.contains("expected a name of at most 1024 bytes"))
      #expect(time < .seconds(10))
    }
  }

  @Test("Strings that are not compared may have any length, unless the reader bounds them")
  func longStrings() throws {
    let long = String(repeating: "x", count: 5000)
    let bytes = Array(#"{"a": ["\#(long)"]}"#.utf8)
    var json = JSONReader(bytes)
    var values: [String] = []
    try json.readObject { _, json in
      try json.readArray { values.append(try $0.readString()) }
    }
    #expect(values == [long])
    #expect {
      try JSONReader.check(object: bytes)
    } throws: {
      ($0 as? JSONReader.Defect)?.found == "5000 bytes"
    }
    let key = String(repeating: "k", count: JSONReader.nameByteLimit)
    try JSONReader.check(object: Array(#"{"\#(key)": "\#(key)"}"#.utf8))
    #expect(throws: JSONReader.Defect.self) {
      try JSONReader.check(object: Array(#"{"\#(key)k": 1}"#.utf8))
    }
  }

  @Test("Keys that are equal but for their normal form are different keys")
  func normalForms() throws {
    try JSONReader.check(object: Array("{\"\u{e9}\": 1, \"e\u{301}\": 2}".utf8))
    #expect(throws: JSONReader.Defect.self) {
      try JSONReader.check(object: Array("{\"\u{e9}\": 1, \"\\u00e9\": 2}".utf8))
    }
  }

  @Test("40,000 seeded mutations of a manifest parse or throw, and never trap")
  func mutations() throws {
    let hash = String(repeating: "0a", count: 32)
    let text = """
      {"files": [{"name": "a.h5", "bytes": 12, "sha256": "\(hash)", "rows": [1, 2.5e3, null]},
       {"name": "é\\n\\ud83d\\ude00.h5", "bytes": 0, "sha256": "\(hash)", "more": {"x": true}}],
       "format": "lockstep-test", "version": 1}
      """
    let seed = Array(text.replacing("\\n", with: "").utf8)
    _ = try Manifest(bytes: seed, place: "m")
    var random = SeededGenerator(state: 3)
    var parsed = 0
    for _ in 0..<40_000 {
      var mutant = seed
      for _ in 0...Int.random(in: 0..<3, using: &random) where !mutant.isEmpty {
        let at = Int.random(in: 0..<mutant.count, using: &random)
        let end = min(mutant.count, at + Int.random(in: 0..<9, using: &random))
        switch Int.random(in: 0..<5, using: &random) {
        case 0: mutant[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: mutant[at] = UInt8.random(in: 0...255, using: &random)
        case 2: mutant.removeSubrange(at..<end)
        case 3: mutant.insert(contentsOf: mutant[at..<end], at: at)
        default: mutant.removeSubrange(at...)
        }
      }
      do {
        let manifest = try Manifest(bytes: mutant, place: "m")
        parsed += 1
        for file in manifest.files {
          #expect(isPlainFileName(file.name) && file.bytes >= 0 && isDigest(file.sha256))
        }
      } catch let error as ManifestError {
        #expect(error.place.hasPrefix("m: byte "))
        #expect(!error.description.contains("\n"))
      }
    }
    #expect(parsed > 1000)
  }

  @Test("Manifest records are refused by name: paths, repeated names, sizes, hashes")
  func records() throws {
    let hash = String(repeating: "0a", count: 32)
    func message(_ records: String) -> String {
      do {
        _ = try Manifest(bytes: Array(#"{"files":[\#(records)]}"#.utf8), place: "m")
      } catch { return "\(error)" }
      return "nothing"
    }
    func record(_ name: String, _ bytes: String = "1", _ sha256: String? = nil) -> String {
      #"{"name":"\#(name)","bytes":\#(bytes),"sha256":"\#(sha256 ?? hash)"}"#
    }
    #expect(message("") == "nothing")
    #expect(message(record("a") + "," + record("b")) == "nothing")
    for name in ["../a", "/a", "a/b", ".", "..", "", "manifest.json", "a\\u0000"] {
      #expect(message(record(name)).hasPrefix("m: byte 10: expected plain file names, each once"))
    }
    #expect(message(record("a") + "," + record("a")).contains("each once, found `a`"))
    #expect(message(record("a", "-1")).contains("found bytes -1 and sha256"))
    #expect(message(record("a", "1.0")).contains("expected an integer of 64 bits, found 1.0"))
    #expect(message(record("a", "1", hash.uppercased())).contains("64 lower-case hex digits"))
    #expect(message(record("a", "1", "0a")).contains("64 lower-case hex digits"))
    #expect(message(#"{"name":"a"}"#).contains("expected a file's name, bytes and sha256"))
    let error = #expect(throws: ManifestError.self) {
      try Manifest(bytes: Array("{}".utf8), place: "m")
    }
    #expect(error?.description.contains("expected an array `files`, found no such key") == true)
  }
}

/// SplitMix64: the same numbers in every run.
private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
