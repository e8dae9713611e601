/// A value inside a JSON file with the way to it, so that what is wrong with it can be said: file,
/// key, what was expected, what is there.
package struct JSONField {
  package let file: String
  /// The keys from the top, such as `normalizer.lowercase`; empty for the whole file.
  package let path: String
  package let value: JSON

  package init(file: String, value: JSON) {
    self.init(file: file, path: "", value: value)
  }

  private init(file: String, path: String, value: JSON) {
    self.file = file
    self.path = path
    self.value = value
  }

  /// The member `key`; null if the object has none.
  package func member(_ key: String) throws -> JSONField {
    let keyPath = path.isEmpty ? key : "\(path).\(key)"
    var found: JSON?
    for member in try members() where member.key.hasSameBytes(as: key) {
      if found != nil {
        throw JSONField(file: file, path: keyPath, value: member.value)
          .failure("the key once", found: "it twice")
      }
      found = member.value
    }
    return JSONField(file: file, path: keyPath, value: found ?? .null)
  }

  package func members() throws -> [JSON.Member] {
    guard case .object(let members) = value else { throw failure("an object") }
    return members
  }

  /// All members by their keys, in their order; none may come twice. For looking up more than a few of
  /// them, which ``member(_:)`` searches for one by one.
  package func memberFields() throws -> [(key: String, field: JSONField)] {
    var seen: Set<[UInt8]> = []
    return try members().map { member in
      let field = JSONField(
        file: file, path: path.isEmpty ? member.key : "\(path).\(member.key)", value: member.value)
      guard seen.insert(Array(member.key.utf8)).inserted else {
        throw field.failure("the key once", found: "it twice")
      }
      return (member.key, field)
    }
  }

  package func elements() throws -> [JSONField] {
    guard case .array(let elements) = value else { throw failure("an array") }
    return elements.enumerated().map {
      JSONField(file: file, path: "\(path)[\($0.offset)]", value: $0.element)
    }
  }

  package func string() throws -> String {
    guard case .string(let string) = value else { throw failure("a string") }
    return string
  }

  package func bool() throws -> Bool {
    guard case .bool(let bool) = value else { throw failure("true or false") }
    return bool
  }

  package func integer(in range: ClosedRange<Int>) throws -> Int {
    guard case .integer(let integer) = value, range.contains(integer) else {
      throw failure("an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return integer
  }

  package var isNull: Bool {
    if case .null = value { return true }
    return false
  }

  package func failure(
    _ expected: String, found: String? = nil, remedy: String = "correct the file or take another"
  ) -> TokenizerError {
    TokenizerError(
      place: path.isEmpty ? file : "\(file), key \(path)", expected: expected,
      found: found ?? value.kind, remedy: remedy)
  }
}
