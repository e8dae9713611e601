import Testing

@testable import Kernels

@Suite struct DigestTests {
  @Test("Any flipped bit changes the digest, wherever it lies", arguments: [1, 7, 8, 61, 40_003])
  func singleBits(count: Int) {
    let pool = ThreadPool(threads: 1)
    let x = random(count, "digest")
    let digest = Digest.of(x.base, count: count, pool)
    for index in Set([0, count / 3, count / 2, count - 1]) {
      for bit in 0..<32 {
        let bits = x.base[index].bitPattern
        x.base[index] = Float(bitPattern: bits ^ 1 << bit)
        #expect(Digest.of(x.base, count: count, pool) != digest, "bit \(bit) of element \(index)")
        x.base[index] = Float(bitPattern: bits)
      }
    }
    #expect(Digest.of(x.base, count: count, pool) == digest)
  }

  @Test("Exchanged elements, a zero's sign and the length change it; threads do not")
  func orderAndLength() {
    let (one, three) = (ThreadPool(threads: 1), ThreadPool(threads: 3))
    let count = 5_000_017
    let x = random(count, "order")
    let digest = Digest.of(x.base, count: count, one)
    #expect(Digest.of(x.base, count: count, three) == digest)
    #expect(Digest.of(x.base, count: count - 1, one) != digest)
    for (a, b) in [(0, 8), (3, 16_384 * 3), (count - 1, 100)] {
      (x.base[a], x.base[b]) = (x.base[b], x.base[a])
      #expect(Digest.of(x.base, count: count, one) != digest)
      (x.base[a], x.base[b]) = (x.base[b], x.base[a])
    }
    let zeros = Arena(count: 9)
    let positive = Digest.of(zeros.base, count: 9, one)
    zeros.base[4] = -0.0
    #expect(Digest.of(zeros.base, count: 9, one) != positive)
    #expect(Digest.of(zeros.base, count: 0, one) != Digest.of(zeros.base, count: 1, one))
  }
}
