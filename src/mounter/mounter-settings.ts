// What the mounter has to be told. Filled from flags by the composition root, by tests directly.
import type { Mode } from './pool-state.ts';

export interface MounterSettings {
  /** Folders below which targets may lie: kubelet's directory. */
  readonly kubeletDirs: readonly string[];
  /** Each pool is mounted at `<poolDir>/<uuid>`; the path must contain "famfs" (famfs reference 5.6). */
  readonly poolDir: string;
  readonly shadowDir: string;
  /** Where famfs makes its dummy mounts, as it names the folder itself. */
  readonly famfsTmpDir: string;
  readonly lockDir: string;
  readonly recordDir: string;
  readonly sysfsRoot: string;
  readonly devRoot: string;
  readonly systemUuidPath: string;
  /** `auto` tries standalone first, then fuse. */
  readonly mode: Mode | 'auto';
  /** UUIDs to serve; every pool that is found when undefined. */
  readonly pools: readonly string[] | undefined;
  readonly allowWrites: 'never' | 'safe' | 'unsafe';
  /** Which devices may be formatted when somebody asks for it: none, those that carry nothing, or also those named. */
  readonly allowFormat: 'never' | 'once' | 'reset';
  /** Devices in devdax mode may be switched to famfs mode. */
  readonly allowDriverSwitch: boolean;
  readonly scanIntervalMs: number;
  readonly healthIntervalMs: number;
  /** How long a mount may take to answer before it counts as hung. */
  readonly probeTimeoutMs: number;
  /** A pool is replayed at least this often, whatever its log header seems to say. */
  readonly replayIntervalMs: number;
}
