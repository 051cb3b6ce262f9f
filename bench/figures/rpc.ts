// What a call costs that does nothing: NodeGetCapabilities, whose answer is the same bytes from driver and peer. It is
// the price of gRPC in Node.js against gRPC in Go. How much of it is the library's is measured beside it.
import type { Bench, Figure } from '../figure.ts';
import { runClient } from '../go-client.ts';
import { interleave } from '../interleave.ts';
import { fromRounds, type Measurement } from '../measurement.ts';
import { type Subject, startBareGrpc } from '../subject.ts';
import { targetsFolder } from '../targets.ts';
import { warmUpLoad, warmUpServers } from '../warm-up.ts';

const timesThePeer = 0.5;

export const rpc: Figure = {
  name: 'rpc',
  summary: 'a call that does nothing, against the reference peer',
  settings: ['simulated', 'self-check'],
  async measure(bench) {
    await warmUpServers(bench);
    const bare = await startBareGrpc(bench.places);
    try {
      const targets = targetsFolder(bench.places.kubeletDir, 'none');
      await runClient(bare, 'capabilities', targets, warmUpLoad(bench));
      const measurements: Measurement[] = [];
      for (const inFlight of [1, 8, 32]) measurements.push(...(await measureAt(bench, bare, inFlight)));
      return measurements;
    } finally {
      await bare.stop();
    }
  },
};

async function measureAt(bench: Bench, bare: Subject, inFlight: number): Promise<readonly Measurement[]> {
  const { isQuick, rounds: fewRounds } = bench.effort;
  // A round takes a second, in which a machine that is shared may run at half of its speed or at twice.
  const count = fewRounds * 3;
  const load = { inFlight, ...(isQuick ? { cycles: 200, warmUp: 50 } : { cycles: 4000, warmUp: 1000 }) };
  const targets = targetsFolder(bench.places.kubeletDir, 'none');
  bench.progress(`calls that do nothing, ${inFlight} in flight: ${count} rounds`);
  const ask = (subject: Subject) => () => runClient(subject, 'capabilities', targets, load);
  const rounds = await interleave(count, {
    driver: ask(bench.driver),
    peer: ask(bench.peer),
    bare: ask(bare),
  });
  const at = `${inFlight} in flight`;
  const names = { driver: bench.driver.name, peer: bench.peer.name, bare: bare.name };
  return [
    fromRounds(
      {
        name: `rpc-against-peer-${inFlight}`,
        title: `A call that does nothing, ${at}: calls a second, times the Go peer's`,
        unit: '×',
        goal: { kind: 'at-least', value: timesThePeer },
      },
      rounds.map(({ driver, peer }) => driver.perSecond / peer.perSecond),
    ),
    fromRounds(
      {
        name: `rpc-bare-against-peer-${inFlight}`,
        title: `  ${bare.name}, which answers nothing else, times the Go peer's`,
        unit: '×',
      },
      rounds.map((round) => round.bare.perSecond / round.peer.perSecond),
    ),
    ...(['driver', 'bare', 'peer'] as const).flatMap((who) => [
      fromRounds(
        {
          name: `rpc-calls-a-second-${who}-${inFlight}`,
          title: `  ${names[who]}, ${at}`,
          unit: '1/s',
          curve: { of: names[who], at },
        },
        rounds.map((round) => round[who].perSecond),
      ),
      fromRounds(
        { name: `rpc-p99-${who}-${inFlight}`, title: `  ${names[who]}, ${at}: p99`, unit: 'ms' },
        rounds.map((round) => round[who].cycleP99Ms),
      ),
    ]),
  ];
}
