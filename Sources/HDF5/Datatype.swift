import CHDF5

/// The types of elements, as far as shards use them.
package enum Datatype: Equatable, Sendable, CustomStringConvertible {
  case integer(bits: Int, signed: Bool)
  case float(bits: Int)
  /// h5py's bool: an enumeration over an integer of one byte.
  case boolean
  /// Text of a fixed number of bytes.
  case string(bytes: Int)
  case other

  package var isInteger: Bool {
    switch self {
    case .integer, .boolean: true
    case .float, .string, .other: false
    }
  }

  package var isNumber: Bool {
    if case .float = self { true } else { isInteger }
  }

  package var bytes: Int {
    switch self {
    case .integer(let bits, _), .float(let bits): bits / 8
    case .boolean: 1
    case .string(let bytes): bytes
    case .other: 0
    }
  }

  package var description: String {
    switch self {
    case .integer(let bits, let signed): "\(signed ? "int" : "uint")\(bits)"
    case .float(let bits): "float\(bits)"
    case .boolean: "bool"
    case .string(let bytes): "text of \(bytes) bytes"
    case .other: "a compound or opaque type"
    }
  }

  /// The type behind an open type identifier. Variable-length types are refused: they take no
  /// checksum, and a damaged one makes the library read wild addresses.
  init(of type: hid_t, _ place: String) throws(HDF5Error) {
    let isVariable = try check(place, "a readable type") { lockstep_has_variable_length(type) }
    guard isVariable == 0 else {
      throw HDF5Error(
        place: place, expected: "a type of fixed length", found: "a variable-length type",
        remedy: "write numbers as int32 or float32, and text as fixed-length bytes (dtype='S')")
    }
    let bytes = withLibrary { Int(H5Tget_size(type)) }
    switch withLibrary({ lockstep_type_class(type) }) {
    case lockstep_class_integer():
      self = .integer(bits: bytes * 8, signed: withLibrary { lockstep_type_is_signed(type) } == 1)
    case lockstep_class_float(): self = .float(bits: bytes * 8)
    case lockstep_class_enum() where bytes == 1: self = .boolean
    case lockstep_class_string(): self = .string(bytes: bytes)
    default: self = .other
    }
  }
}

/// A number that datasets are read into and written from. In files it is little-endian.
package protocol Element: BitwiseCopyable, Sendable {
  static var datatype: Datatype { get }
}

extension Int32: Element {
  package static var datatype: Datatype { .integer(bits: 32, signed: true) }
}

extension Int64: Element {
  package static var datatype: Datatype { .integer(bits: 64, signed: true) }
}

extension UInt8: Element {
  package static var datatype: Datatype { .integer(bits: 8, signed: false) }
}

extension Float: Element {
  package static var datatype: Datatype { .float(bits: 32) }
}

extension Element {
  static var memoryType: hid_t {
    withLibrary {
      switch datatype {
      case .integer(64, _): lockstep_native_int64()
      case .integer(8, _): lockstep_native_uint8()
      case .float: lockstep_native_float()
      default: lockstep_native_int32()
      }
    }
  }

  static var fileType: hid_t {
    withLibrary {
      switch datatype {
      case .integer(64, _): lockstep_file_int64()
      case .integer(8, _): lockstep_file_uint8()
      case .float: lockstep_file_float()
      default: lockstep_file_int32()
      }
    }
  }
}
