// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Encoders
import Foundation
import Kernels

/// Times the products of a model's linear layers as training computes them, against OpenBLAS's own
/// call on the same shapes.
///
/// T tokens, I inputs, O outputs.
package final class GEMMBenchmark {
  package enum Pass: String, Encodable, Sendable, CaseIterable {
    /// y = x · Wᵀ + b
    case forward
    /// dW = dyᵀ · x and db
    case weights
    /// The same and dx = dy · W
    case backward

    var products: Double { self == .backward ? 2 : 1 }
  }

  /// One kind of layer and pass.
  package struct Row: Encodable, Sendable {
    package let layer: String
    package let pass: Pass
    package let tokens: Int
    package let inputs: Int
    package let outputs: Int
    /// Of the median repetition, 10^9 operations a second.
    package let gflops: Double
    package let referenceGflops: Double
    let operations: Double

    enum CodingKeys: String, CodingKey {
      case layer, pass, tokens, inputs, outputs, gflops
      case referenceGflops = "reference_gflops"
    }
  }

  package struct Result: Encodable, Sendable {
    package let benchmark = "gemm"
    package let model: String
    package let tokens: Int
    package let threads: Int
    /// Forward and backward of all linear layers of the encoder.
    package let gflops: Double
    package let referenceGflops: Double
    package let ceilings: MachineCeilings
    /// gflops / ceiling.
    package let fraction: Double
    package let shapes: [Row]
    package let coreType: String

    enum CodingKeys: String, CodingKey {
      case benchmark, model, tokens, threads, gflops, ceilings, shapes
      case referenceGflops = "reference_gflops"
      case fraction = "fraction_of_ceiling"
      case coreType = "core_type"
    }
  }

  private let model: BenchmarkModel
  private let tokens: Int
  private let pool: ThreadPool

  package init(model: BenchmarkModel, tokens: Int, threads: Int) {
    precondition(tokens > 0, "products need a token")
    self.model = model
    self.tokens = tokens
    pool = ThreadPool(threads: threads)
  }

  /// - Throws: `BenchmarkError` naming an element that is wrong.
  package func run() throws -> Result {
    let before = try MachineCeilings(pool)
    let (hidden, inner) = (model.configuration.hiddenSize, model.configuration.intermediateSize)
    let layers = [
      ("attention", hidden, 3 * hidden), ("attention.output", hidden, hidden),
      ("intermediate", hidden, inner), ("output", inner, hidden),
    ]
    var rows: [Row] = []
    for (name, inputs, outputs) in layers {
      let layer = LinearLayer(tokens: tokens, inputs: inputs, outputs: outputs, pool)
      for pass in Pass.allCases {
        let (own, reference) = try layer.time(pass, name)
        let operations = pass.products * Double(2 * tokens * inputs * outputs)
        rows.append(
          Row(
            layer: name, pass: pass, tokens: tokens, inputs: inputs, outputs: outputs,
            gflops: operations / own / 1e9, referenceGflops: operations / reference / 1e9,
            operations: operations))
      }
    }
    let ceilings = MachineCeilings.mean(before, try MachineCeilings(pool))
    let step = rows.filter { $0.pass != .weights }
    func overall(_ rate: (Row) -> Double) -> Double {
      step.reduce(0) { $0 + $1.operations }
        / step.reduce(0) { $0 + $1.operations / rate($1) }
    }
    let gflops = overall(\.gflops)
    return Result(
      model: model.name, tokens: tokens, threads: pool.threads, gflops: gflops,
      referenceGflops: overall(\.referenceGflops), ceilings: ceilings,
      fraction: gflops / ceilings.gflops, shapes: rows, coreType: coreType())
  }
}

/// The buffers of one linear layer.
private final class LinearLayer {
  private let (rows, inputs, outputs): (Int, Int, Int)
  private let pool: ThreadPool
  private let (x, w, b, dy): (Arena, Arena, Arena, Arena)
  private let (y, dx, dw, db): (Arena, Arena, Arena, Arena)

  init(tokens: Int, inputs: Int, outputs: Int, _ pool: ThreadPool) {
    (rows, self.inputs, self.outputs, self.pool) = (tokens, inputs, outputs, pool)
    func random(_ count: Int, _ name: String) -> Arena {
      let arena = Arena(count: count)
      Philox4x32.normal(
        into: arena.base, count: count, seed: 1, name: name, standardDeviation: 1)
      return arena
    }
    x = random(tokens * inputs, "x")
    w = random(outputs * inputs, "w")
    b = random(outputs, "b")
    dy = random(tokens * outputs, "dy")
    y = Arena(count: tokens * outputs)
    dx = Arena(count: tokens * inputs)
    dw = Arena(count: outputs * inputs)
    db = Arena(count: outputs)
  }

  /// Median seconds of lockstep's pass and of OpenBLAS with as many threads of its own.
  func time(_ pass: GEMMBenchmark.Pass, _ name: String) throws -> (Double, Double) {
    compute(pass)
    try check(pass, name)
    let own = Timings(repetitions: 5, atLeast: .milliseconds(200)) { compute(pass) }
    ReferenceProduct.setThreads(pool.threads)
    let reference = Timings(repetitions: 5, atLeast: .milliseconds(200)) { computeReference(pass) }
    ReferenceProduct.setThreads(1)
    // Until OpenBLAS's threads have gone to sleep.
    if pool.threads > 1 { Thread.sleep(forTimeInterval: 0.2) }
    return (own.median, reference.median)
  }

  private func compute(_ pass: GEMMBenchmark.Pass) {
    if pass == .forward {
      Linear.forward(
        y.base, x.base, w.base, b.base, rows: rows, inputs: inputs, outputs: outputs, pool)
    } else {
      Linear.backward(
        pass == .backward ? dx.base : nil, dw.base, db.base, dy.base, x.base, w.base,
        rows: .one(rows), inputs: inputs, outputs: outputs, pool)
    }
  }

  /// The products alone, without the biases.
  private func computeReference(_ pass: GEMMBenchmark.Pass) {
    if pass == .forward {
      ReferenceProduct.multiply(
        y.base, x.base, .plain, w.base, .transposed, rows: rows, columns: outputs, depth: inputs)
      return
    }
    ReferenceProduct.multiply(
      dw.base, dy.base, .transposed, x.base, .plain, rows: outputs, columns: inputs, depth: rows)
    if pass == .backward {
      ReferenceProduct.multiply(
        dx.base, dy.base, .plain, w.base, .plain, rows: rows, columns: inputs, depth: outputs)
    }
  }

  /// Compares some elements, corners among them, with sums in double precision.
  private func check(_ pass: GEMMBenchmark.Pass, _ name: String) throws {
    let (x, w, b, dy) = (x.base, w.base, b.base, dy.base)
    let (I, O, T) = (inputs, outputs, rows)
    if pass == .forward {
      try compare("\(name): y", y.base, rows: T, columns: O) { t, o in
        dot(I, { x[t * I + $0] }, { w[o * I + $0] }, adding: b[o])
      }
      return
    }
    try compare("\(name): dw", dw.base, rows: O, columns: I) { o, i in
      dot(T, { dy[$0 * O + o] }, { x[$0 * I + i] })
    }
    try compare("\(name): db", db.base, rows: 1, columns: O) { _, o in
      dot(T, { dy[$0 * O + o] }, { _ in 1 })
    }
    if pass == .backward {
      try compare("\(name): dx", dx.base, rows: T, columns: I) { t, i in
        dot(O, { dy[t * O + $0] }, { w[$0 * I + i] })
      }
    }
  }
}

/// A sum of products in double precision, and the sum of their sizes.
private typealias DoubleSum = (value: Double, size: Double)

private func dot(
  _ count: Int, _ a: (Int) -> Float, _ b: (Int) -> Float, adding bias: Float = 0
) -> DoubleSum {
  var sum = (value: Double(bias), size: abs(Double(bias)))
  for k in 0..<count {
    let product = Double(a(k)) * Double(b(k))
    sum.value += product
    sum.size += abs(product)
  }
  return sum
}

/// - Throws: `BenchmarkError` for an element further from its sum than any order of single-precision
///   additions that blocks, and so adds some hundreds in a row at most, gets.
private func compare(
  _ name: String, _ found: MutableFloats, rows: Int, columns: Int,
  _ expected: (Int, Int) -> DoubleSum
) throws {
  var indices = [0, columns - 1, (rows - 1) * columns, rows * columns - 1]
  // A step that shares no factor with most widths visits rows and columns alike.
  indices += (0..<60).map { $0 * 7919 * 31 % (rows * columns) }
  for index in indices {
    let sum = expected(index / columns, index % columns)
    let error = abs(Double(found[index]) - sum.value)
    guard error <= 1e-5 * sum.size else {
      throw BenchmarkError(
        place: "\(name)[\(index / columns), \(index % columns)]", expected: "\(sum.value)",
        found: "\(found[index])", remedy: "report this with the output of lscpu")
    }
  }
}
