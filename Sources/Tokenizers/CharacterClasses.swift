/// The character classes that BERT's basic tokenizer cuts by, as Hugging Face `tokenizers` has them
/// (tokenizers/src/normalizers/bert.rs and pre_tokenizers/bert.rs).
///
/// That library takes general categories from tables of Unicode 8.0 and combining classes from
/// Unicode 9.0, but white space and lower case from Rust's current Unicode. Scalars younger than
/// those tables are therefore neither marks nor punctuation there, and pretrained vocabularies were
/// counted that way. `Unicode.Scalar.Properties.age` gives the same cut; white space and lower case
/// follow Swift's own Unicode version and can differ for letters younger than either.
enum CharacterClasses {
  /// The general category in Unicode 8.0; `unassigned` for younger scalars.
  static func category(of scalar: Unicode.Scalar) -> Unicode.GeneralCategory {
    switch scalar.value {
    // Categories that later versions of Unicode changed.
    case 0x166D, 0x111C9: return .otherPunctuation
    case 0x1734, 0x1171E: return .nonspacingMark
    case 0x1885, 0x1886: return .otherLetter
    case 0xA9BD: return .spacingMark
    default: break
    }
    let properties = scalar.properties
    guard let age = properties.age, age <= (8, 0) else { return .unassigned }
    return properties.generalCategory
  }

  /// The general category in Unicode 16.0, which the regular expressions of `tokenizers` have;
  /// `unassigned` for younger scalars.
  static func currentCategory(of scalar: Unicode.Scalar) -> Unicode.GeneralCategory {
    let properties = scalar.properties
    guard let age = properties.age, age <= (16, 0) else { return .unassigned }
    return properties.generalCategory
  }

  /// The canonical combining class in Unicode 9.0; 0 for younger scalars.
  static func combiningClass(of scalar: Unicode.Scalar) -> UInt8 {
    guard scalar.value >= 0x300 else { return 0 }
    let properties = scalar.properties
    let combiningClass = properties.canonicalCombiningClass.rawValue
    guard combiningClass != 0, let age = properties.age, age <= (9, 0) else { return 0 }
    return combiningClass
  }

  /// What cleaning removes: NUL, the replacement character, and all of Cc, Cf and Co but tab, line
  /// feed and carriage return. Unassigned scalars stay.
  static func isRemovedByCleaning(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\t", "\n", "\r": return false
    case "\0", "\u{FFFD}": return true
    default: break
    }
    switch category(of: scalar) {
    case .control, .format, .privateUse: return true
    default: return false
    }
  }

  static func isWhitespace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace
  }

  static func isNonspacingMark(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value >= 0x300 && category(of: scalar) == .nonspacingMark
  }

  /// ASCII symbols such as `$` and `^` count as punctuation, though Unicode has them as symbols.
  static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
    case 0..<0x80: return false
    default: break
    }
    switch category(of: scalar) {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation:
      return true
    default: return false
    }
  }

  /// The blocks of Chinese ideographs; the start of extension E is the library's 2B920, not 2B820.
  static func isChinese(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B81F,
      0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
      return true
    default: return false
    }
  }

  /// `\w` of Rust's regular expressions (Unicode TR18, of Unicode 16.0): what keeps a `single_word`
  /// token from matching beside it.
  static func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    guard let age = properties.age, age <= (16, 0) else { return false }
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation:
      return true
    default: return false
    }
  }
}
