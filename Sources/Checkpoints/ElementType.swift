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

  /// Whole numbers and truth values.
  package var isInteger: Bool {
    switch self {
    case .bool, .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: true
    case .float8e5m2, .float8e4m3, .float8e8m0, .float16, .bfloat16, .float32, .float64, .complex64:
      false
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

/// The IEEE 754 binary16 nearest to `value`, ties to the even one; NaN stays NaN.
/// - Returns: an infinity also for finite values of 65520 and more.
func half(nearest value: Float) -> UInt16 {
  let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
  let magnitude = value.bitPattern & 0x7fff_ffff
  // Bits alone: floating-point arithmetic may run with subnormal numbers off.
  switch magnitude {
  case 0x7f80_0001...: return sign | 0x7e00 | UInt16(magnitude >> 13 & 0x3ff)
  case 0x477f_f000...: return sign | 0x7c00
  case 0x3880_0000...:
    let rebiased = magnitude - 112 << 23
    return sign | UInt16((rebiased + 0xfff + rebiased >> 13 & 1) >> 13)
  case 0x3300_0000...:
    // Subnormal: a multiple of 2^-24.
    let shift = 126 - magnitude >> 23
    let significand = magnitude & 0x7f_ffff | 0x80_0000
    let floor = significand >> shift
    let rest = significand - floor << shift
    let tie = UInt32(1) << (shift - 1)
    return sign | UInt16(rest > tie || rest == tie && floor & 1 == 1 ? floor + 1 : floor)
  default: return sign
  }
}

/// The bfloat16 nearest to `value`, ties to the even one; NaN stays NaN.
/// - Returns: an infinity also for the finite values that are nearer to it than to any other.
func bfloat16(nearest value: Float) -> UInt16 {
  let bits = value.bitPattern
  if value.isNaN { return UInt16(bits >> 16) | 0x40 }
  return UInt16((bits + 0x7fff + bits >> 16 & 1) >> 16)
}
