/// The element types of safetensors whose elements are whole bytes, by the names in the header.
package enum ElementType: String, Sendable, CaseIterable {
  case bool = "BOOL"
  case uint8 = "U8"
  case int8 = "I8"
  case float8e5m2 = "F8_E5M2"
  case float8e4m3 = "F8_E4M3"
  case float8e8m0 = "F8_E8M0"
  case uint16 = "U16"
  case int16 = "I16"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case uint32 = "U32"
  case int32 = "I32"
  case float32 = "F32"
  case uint64 = "U64"
  case int64 = "I64"
  case float64 = "F64"
  case complex64 = "C64"

  /// Bytes of one element.
  package var byteWidth: Int {
    switch self {
    case .bool, .uint8, .int8, .float8e5m2, .float8e4m3, .float8e8m0: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .complex64: 8
    }
  }

  /// Whether tensors of this type can be read as float32 without a loss.
  package var widensToFloat32: Bool {
    self == .float32 || self == .float16 || self == .bfloat16
  }
}

/// The exact value of an IEEE 754 binary16 bit pattern; NaN payloads are kept.
func float(fromHalf bits: UInt16) -> Float {
  let sign = UInt32(bits & 0x8000) << 16
  let exponent = UInt32(bits >> 10) & 0x1f
  let fraction = UInt32(bits) & 0x3ff
  switch exponent {
  case 0:
    // Subnormal: fraction x 2^-24, which float32 holds as a normal number.
    let magnitude = Float(fraction) * 0x1p-24
    return Float(bitPattern: magnitude.bitPattern | sign)
  case 0x1f:
    return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
  default:
    return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
}

/// The exact value of a bfloat16 bit pattern: the upper half of a float32.
func float(fromBFloat16 bits: UInt16) -> Float {
  Float(bitPattern: UInt32(bits) << 16)
}
