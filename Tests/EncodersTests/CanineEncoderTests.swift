import Encoders
import Foundation
import Testing

@testable import Kernels

@Suite struct CanineEncoderTests {
  /// A model of two layers between shallow ones that see eight characters at a time.
  private struct Fixture {
    let configuration: ModelConfiguration
    let model: EncoderModel
    let parameters: Arena
    var isOfTokens: Bool { configuration.task == .tokenClassification }

    init(_ task: Task, frozenLayers: Int? = nil) throws {
      let name = task == .tokenClassification ? "Token" : "Sequence"
      let json = """
        {"model_type": "canine", "architectures": ["CanineFor\(name)Classification"],
         "hidden_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 28, "max_position_embeddings": 64, "num_hash_functions": 4,
         "num_hash_buckets": 53, "downsampling_rate": 4, "upsampling_kernel_size": 4,
         "local_transformer_stride": 8, "type_vocab_size": 3, "num_labels": 3,
         "problem_type": \(task == .multiLabel ? "\"multi_label_classification\"" : "null")}
        """
      var configuration = try ModelConfiguration(json: Data(json.utf8), path: "config.json")
      configuration.frozenLayers = frozenLayers
      self.configuration = configuration
      model = EncoderModel(configuration)
      parameters = model.randomParameters()
    }

    func batch(lengths: [Int], rows: [UInt32], parts: Parts? = nil) -> PackedBatch {
      let made = MadeUpRows(
        lengths: lengths, rows: rows, id: { ($0 * 977 + $1 * 1313) % 0x10FFFF })
      return configuration.batch(
        inputIDs: made.ids, typeIDs: made.types, cumulativeLengths: made.bounds, rows: rows,
        parts: parts)
    }

    func targets(_ batch: PackedBatch) -> Targets {
      guard isOfTokens else {
        return .multiLabel(batch.rows.flatMap { row in (0..<3).map { Float((row + $0) % 2) } })
      }
      let real = batch.withoutPadding(batch.inputIDs)
      return .tags(batch.withPadding(real.map { $0 % 3 }, of: Targets.noTag))
    }

    /// The logits, of real tokens only, and what each part adds to the loss.
    func logits(_ batch: PackedBatch, dropout: DropoutStep? = nil, isTraining: Bool = false)
      -> (logits: [Float], losses: [Double])
    {
      let pool = ThreadPool(threads: 1)
      let activations = Activations(model, isTraining: isTraining, threads: 1)
      model.forward(batch, parameters.base, activations, dropout: dropout, pool)
      let logits = model.logits(batch, activations, pool)[0]
      let values = Array(UnsafeBufferPointer(start: logits.values, count: logits.rows * 3))
      let losses = model.loss(
        batch, targets(batch), LossCounts(rows: 3, tokens: 20), activations, pool)
      return (isOfTokens ? batch.withoutPadding(values, columns: 3) : values, losses)
    }

    func gradient(
      _ batch: PackedBatch, dropout: DropoutStep?, threads: Int,
      kernel: TileKernel = TileKernel.available[0],
      progress: (_ gradients: Arena, _ completeFrom: Int) -> Void = { _, _ in }
    ) -> [Float] {
      let pool = ThreadPool(threads: threads, kernel: kernel)
      let activations = Activations(model, isTraining: true, threads: threads)
      let gradients = Arena(count: model.layout.count)
      // Stale numbers must not survive: backward overwrites everything.
      gradients.base.update(repeating: .nan, count: gradients.count)
      model.forward(batch, parameters.base, activations, dropout: dropout, pool)
      _ = model.loss(
        batch, targets(batch), LossCounts(rows: 3, tokens: 20), activations, pool)
      _ = model.backward(
        batch, parameters.base, gradients.base, activations, dropout: dropout, pool,
        progress: { progress(gradients, $0) })
      return Array(UnsafeBufferPointer(start: gradients.base, count: gradients.count))
    }
  }

  private static let lengths = [9, 1, 40, 3, 17]
  private static let rows: [UInt32] = [4, 8, 15, 16, 23]
  private static let step = DropoutStep(seed: 1, step: 5)

  @Test(
    "a row's logits do not depend on what it is packed with",
    arguments: [Task.multiLabel, .tokenClassification])
  func packingChangesNothing(task: Task) throws {
    let fixture = try Fixture(task)
    let together = fixture.logits(fixture.batch(lengths: Self.lengths, rows: Self.rows)).logits
    let alone = zip(Self.lengths, Self.rows).flatMap {
      fixture.logits(fixture.batch(lengths: [$0], rows: [$1])).logits
    }
    #expect(together == alone)
    #expect(together.count == 3 * (fixture.isOfTokens ? 70 : 5))
    #expect(together.allSatisfy { $0.isFinite })
  }

  @Test("a row's class does not depend on how far it is padded")
  func paddingChangesNoClass() throws {
    let fixture = try Fixture(.multiLabel)
    for length in [1, 4, 9, 40] {
      let batch = fixture.batch(lengths: [length], rows: [3])
      let padding = 52 - batch.tokenCount
      let padded = PackedBatch(
        inputIDs: batch.inputIDs + [Int32](repeating: 0, count: padding),
        typeIDs: batch.typeIDs.map { $0 + [UInt8](repeating: 0, count: padding) },
        cumulativeLengths: [0, 52], rows: [3], keyCounts: [Int32(length)])
      #expect(fixture.logits(batch).logits == fixture.logits(padded).logits, "\(length)")
    }
  }

  @Test(
    "logits and gradients have the same bits on 1, 2, 3 and 5 threads and any tiles, dropout on",
    arguments: [Task.multiLabel, .tokenClassification])
  func threadsChangeNothing(task: Task) throws {
    let fixture = try Fixture(task)
    let batch = fixture.batch(lengths: Self.lengths, rows: Self.rows)
    let reference = fixture.gradient(batch, dropout: Self.step, threads: 1)
    #expect(reference.allSatisfy { $0.isFinite })
    for threads in [2, 3, 5] {
      #expect(
        fixture.gradient(batch, dropout: Self.step, threads: threads) == reference,
        "\(threads) threads")
    }
    for kernel in TileKernel.available {
      #expect(
        fixture.gradient(batch, dropout: Self.step, threads: 2, kernel: kernel) == reference)
    }
  }

  @Test(
    "micro-batches together have the bits of their gradients summed in the tree",
    arguments: [Task.multiLabel, .tokenClassification],
    [[0, 5], [0, 2, 5], [0, 1, 1, 4, 5], [0, 0, 1, 2, 2, 3, 4, 5, 5]])
  func partsTogether(task: Task, bounds: [Int]) throws {
    let fixture = try Fixture(task)
    let parts = Parts(bounds: bounds)
    let sum = sumInTree(0..<parts.count) { part in
      let own = parts[part]
      return fixture.gradient(
        fixture.batch(lengths: Array(Self.lengths[own]), rows: Array(Self.rows[own])),
        dropout: Self.step, threads: 1)
    }
    let together = fixture.gradient(
      fixture.batch(lengths: Self.lengths, rows: Self.rows, parts: parts), dropout: Self.step,
      threads: 2)
    #expect(together.map(\.bitPattern) == sum.map(\.bitPattern))
  }

  @Test(
    "gradients that backward says are complete change no more, and come from the end",
    arguments: [Task.multiLabel, .tokenClassification])
  func progress(task: Task) throws {
    let fixture = try Fixture(task)
    var seen: [(completeFrom: Int, values: [Float])] = []
    let final = fixture.gradient(
      fixture.batch(lengths: [9, 1, 40], rows: [4, 8, 15]), dropout: Self.step, threads: 2,
      progress: { gradients, index in
        seen.append((index, (index..<gradients.count).map { gradients.base[$0] }))
      })
    #expect(seen.count == (fixture.isOfTokens ? 5 : 4))
    #expect(seen.map(\.completeFrom) == seen.map(\.completeFrom).sorted(by: >))
    for (index, values) in seen { #expect(values == Array(final[index...]), "from \(index)") }
  }

  @Test(
    "the gradient is the loss's slope, dropout on",
    arguments: [Task.multiLabel, .tokenClassification])
  func gradientIsSlope(task: Task) throws {
    let fixture = try Fixture(task)
    let (parameters, step) = (fixture.parameters.base, DropoutStep(seed: 3, step: 1))
    let batch = fixture.batch(lengths: [7, 22, 1], rows: [2, 3, 5])
    let gradient = fixture.gradient(batch, dropout: step, threads: 1)
    var checked = 0
    for parameter in fixture.model.layout.parameters {
      // Along the gradient itself the slope is its squared norm.
      let values = gradient[parameter.range]
      let norm = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(parameter.isTrained || norm == 0, "\(parameter.name) stays as it was read")
      guard norm > 1e-3 else { continue }
      checked += 1
      let epsilon = 1e-2 / norm
      func loss(_ sign: Float) -> Double {
        let before = parameter.range.map { parameters[$0] }
        for index in parameter.range {
          parameters[index] += sign * Float(epsilon) * gradient[index]
        }
        defer { (parameters + parameter.offset).update(from: before, count: before.count) }
        return fixture.logits(batch, dropout: step, isTraining: true).losses.reduce(0, +)
      }
      let slope = (loss(1) - loss(-1)) / (2 * epsilon)
      #expect(
        abs(slope - norm * norm) < 0.03 * norm * norm + 3e-5 * norm,
        "\(parameter.name): slope \(slope), gradient \(norm * norm)")
    }
    #expect(checked > 40)
  }

  @Test("what the task's loss does not depend on is not trained")
  func untrained() throws {
    func untrained(_ task: Task) throws -> Set<String> {
      Set(
        try Fixture(task).model.layout.parameters.filter { !$0.isTrained }.map {
          $0.name.split(separator: ".").prefix(2).joined(separator: ".")
        })
    }
    #expect(
      try untrained(.multiLabel) == ["canine.projection", "canine.final_char_encoder"])
    #expect(try untrained(.tokenClassification) == ["canine.pooler"])
  }

  @Test("freezing layers leaves the gradients of those above them as they were")
  func frozen() throws {
    let (whole, frozen) = (
      try Fixture(.tokenClassification), try Fixture(.tokenClassification, frozenLayers: 1)
    )
    let batch = whole.batch(lengths: Self.lengths, rows: Self.rows)
    let expected = whole.gradient(batch, dropout: Self.step, threads: 2)
    let found = frozen.gradient(batch, dropout: Self.step, threads: 2)
    let first = try #require(
      whole.model.layout.parameters.first { $0.name.hasPrefix("canine.encoder.layer.1.") })
    #expect(found[..<first.offset].allSatisfy { $0 == 0 })
    #expect(found[first.offset...] == expected[first.offset...])
    #expect(
      frozen.model.layout.parameters.filter { $0.offset < first.offset }.allSatisfy {
        !$0.isTrained
      })
  }

  @Test("an empty batch leaves exact zeros")
  func emptyBatchHasNoGradient() throws {
    let fixture = try Fixture(.tokenClassification)
    let gradient = fixture.gradient(
      fixture.batch(lengths: [], rows: []), dropout: nil, threads: 2)
    #expect(gradient.allSatisfy { $0 == 0 && $0.sign == .plus })
  }
}
