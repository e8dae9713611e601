import Manifests

/// A value that a pickled state dict of tensors can have, and no other.
///
/// Nothing here can be called or imported: what a pickle names is one of ``PickleGlobal``, and what
/// it "calls" makes a row of one of ``PickleHeap``'s tables. Collections are numbers of such rows, so
/// that a pickle of collections within collections costs no recursion.
enum PickleValue: Equatable {
  case none
  case boolean(Bool)
  case integer(Int)
  case string(String)
  /// The values of a range of ``PickleHeap/elements``.
  case tuple(Range<Int>)
  case list(Int)
  case dictionary(Int)
  case global(PickleGlobal)
  case storage(Int)
  case tensor(Int)

  /// For messages.
  var kind: String {
    switch self {
    case .none: "None"
    case .boolean: "a boolean"
    case .integer: "an integer"
    case .string: "a string"
    case .tuple: "a tuple"
    case .list: "a list"
    case .dictionary: "a dictionary"
    case .global(let global): "`\(global.name)`"
    case .storage: "a storage"
    case .tensor: "a tensor"
    }
  }
}

/// What a state dict of tensors names in Python's modules.
enum PickleGlobal: Equatable {
  case orderedDictionary
  case rebuildTensor
  case rebuildParameter
  case storageType(ElementType)

  /// - Returns: nil for every other global.
  init?(module: String, name: String) {
    switch (module, name) {
    case ("collections", "OrderedDict"): self = .orderedDictionary
    case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
    case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
    case ("torch", _):
      guard let type = Self.storageTypes.first(where: { $0.name == name })?.type else { return nil }
      self = .storageType(type)
    default: return nil
    }
  }

  var name: String {
    switch self {
    case .orderedDictionary: "collections.OrderedDict"
    case .rebuildTensor: "torch._utils._rebuild_tensor_v2"
    case .rebuildParameter: "torch._utils._rebuild_parameter"
    case .storageType(let type):
      "torch." + (Self.storageTypes.first { $0.type == type }?.name ?? type.rawValue)
    }
  }

  private static let storageTypes: [(name: String, type: ElementType)] = [
    ("DoubleStorage", .float64), ("FloatStorage", .float32), ("HalfStorage", .float16),
    ("BFloat16Storage", .bfloat16), ("LongStorage", .int64), ("IntStorage", .int32),
    ("ShortStorage", .int16), ("CharStorage", .int8), ("ByteStorage", .uint8),
    ("BoolStorage", .bool), ("ComplexFloatStorage", .complex64),
  ]
}

/// The memory of tensors, before it is known where that lies in the file.
struct PickledStorage: Equatable {
  let key: String
  let type: ElementType
  let elementCount: Int
}

/// A tensor as a pickle describes it: a view of a storage, in elements. Nothing of it is checked but
/// that shape and strides are integers, at most ``PickleHeap/dimensionLimit`` of them.
struct PickledTensor: Equatable {
  let storage: Int
  let offset: Int
  /// Of ``PickleHeap/elements``, as are the strides: a copy for each tensor would let a few bytes of
  /// a pickle, repeated, take any amount of memory.
  let shape: Range<Int>
  let strides: Range<Int>
}

/// The values of pickles, in tables that the values number.
struct PickleHeap {
  var elements: [PickleValue] = []
  var lists: [[PickleValue]] = []
  var dictionaries: [[(key: String, value: PickleValue)]] = []
  private(set) var storages: [PickledStorage] = []
  private(set) var tensors: [PickledTensor] = []
  /// By the bytes of the key, since hashing a strange `String` may take long.
  private var storageOfKey: [[UInt8]: Int] = [:]

  /// The most dimensions that a tensor may have; those of encoders have four.
  static let dimensionLimit = 8

  /// Why a call is none that a state dict makes: what was expected, and what was found.
  struct Refusal: Error {
    let expected: String
    let found: String
  }

  mutating func newList() -> PickleValue {
    lists.append([])
    return .list(lists.count - 1)
  }

  mutating func newDictionary() -> PickleValue {
    dictionaries.append([])
    return .dictionary(dictionaries.count - 1)
  }

  mutating func newTuple(_ values: some Collection<PickleValue>) -> PickleValue {
    elements.append(contentsOf: values)
    return .tuple(elements.count - values.count..<elements.count)
  }

  /// What `function(*arguments)` stands for.
  mutating func call(_ function: PickleGlobal, _ arguments: Range<Int>) throws -> PickleValue {
    switch function {
    case .orderedDictionary:
      guard arguments.isEmpty else {
        throw Refusal(
          expected: "an empty OrderedDict, filled afterwards",
          found: "one of \(arguments.count) arguments")
      }
      return newDictionary()
    case .rebuildTensor: return try rebuildTensor(arguments)
    case .rebuildParameter:
      guard let tensor = elements[arguments].first, case .tensor = tensor else {
        throw Refusal(expected: "a parameter of a tensor", found: kinds(arguments))
      }
      return tensor
    case .storageType:
      throw Refusal(expected: "a storage type only in a storage", found: "a call of it")
    }
  }

  /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`; a seventh argument
  /// tells of conjugate or negated views.
  private mutating func rebuildTensor(_ range: Range<Int>) throws -> PickleValue {
    let arguments = Array(elements[range.prefix(8)])
    guard (6...7).contains(arguments.count), case .storage(let storage) = arguments[0],
      case .integer(let offset) = arguments[1], case .tuple(let shape) = arguments[2],
      case .tuple(let strides) = arguments[3], areDimensions(shape), areDimensions(strides),
      case .boolean = arguments[4], isEmpty(arguments[5]),
      arguments.count == 6 || isEmpty(arguments[6]) || arguments[6] == .none
    else {
      throw Refusal(
        expected: "a tensor of storage, offset, shape, strides, flag and no hooks",
        found: kinds(range))
    }
    tensors.append(
      PickledTensor(storage: storage, offset: offset, shape: shape, strides: strides))
    return .tensor(tensors.count - 1)
  }

  /// The storage that `('storage', type, key, location, elements)` names. Tensors that share memory
  /// name the same one. A sixth element, None, is that of PyTorch before 1.6.
  mutating func storage(_ arguments: Range<Int>) throws -> PickleValue {
    let values = Array(elements[arguments.prefix(8)])
    guard (5...6).contains(values.count), values[0] == .string("storage"),
      case .global(.storageType(let type)) = values[1], case .string(let key) = values[2],
      case .string = values[3], case .integer(let count) = values[4], count >= 0,
      values.count == 5 || values[5] == .none
    else {
      throw Refusal(
        expected: "a storage of type, key, location and count", found: kinds(arguments))
    }
    let storage = PickledStorage(key: key, type: type, elementCount: count)
    let keyBytes = Array(key.utf8)
    if let known = storageOfKey[keyBytes] {
      guard storages[known] == storage else {
        throw Refusal(
          expected: "one type and size for the storage \(quoted(key))",
          found: "\(type.rawValue) [\(count)] and \(storages[known].type.rawValue) "
            + "[\(storages[known].elementCount)]")
      }
      return .storage(known)
    }
    storageOfKey[keyBytes] = storages.count
    storages.append(storage)
    return .storage(storages.count - 1)
  }

  /// The integers of a tuple that a tensor's shape or strides are.
  func integers(_ range: Range<Int>) -> [Int] {
    elements[range].compactMap { if case .integer(let number) = $0 { number } else { nil } }
  }

  private func areDimensions(_ range: Range<Int>) -> Bool {
    range.count <= Self.dimensionLimit
      && elements[range].allSatisfy { if case .integer = $0 { true } else { false } }
  }

  private func isEmpty(_ value: PickleValue) -> Bool {
    guard case .dictionary(let index) = value else { return false }
    return dictionaries[index].isEmpty
  }

  private func kinds(_ range: Range<Int>) -> String {
    range.isEmpty ? "nothing" : elements[range].prefix(8).map(\.kind).joined(separator: ", ")
  }
}
