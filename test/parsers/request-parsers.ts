// The parsers of what callers and administrators write: volumes, flags, configuration, requests, frames.
import { type OptionTable, type RoleOptions, readConfig } from '../../src/config/options.ts';
import { durationMs, positiveInteger } from '../../src/config/value-types.ts';
import { mounterRole, nodeRole } from '../../src/config.ts';
import csiRoot from '../../src/csi/generated/csi.js';
import {
  type CreateVolumeRequest,
  controllerService,
  identityService,
  type NodePublishVolumeRequest,
  nodeService,
  type VolumeCapability,
} from '../../src/csi/protocol.ts';
import { parseCapabilities, parseCreateRequest } from '../../src/csi/provision-order.ts';
import { parsePublishRequest } from '../../src/csi/publish-order.ts';
import { parseCapability } from '../../src/csi/volume-capability.ts';
import registrationRoot, { type pluginregistration } from '../../src/kubelet/generated/registration.js';
import { mounterService } from '../../src/mounter/service.ts';
import { decodeRequest, MalformedRequest } from '../../src/rpc/call.ts';
import { type Codec, messageType, serviceType } from '../../src/rpc/codec.ts';
import {
  encodeCredit,
  encodeError,
  encodePath,
  encodeRequest,
  FrameDecoder,
  FrameError,
  frameKind,
  readCredit,
  readError,
  readRequest,
} from '../../src/rpc/frame.ts';
import { parseSocketAddress } from '../../src/rpc/socket.ts';
import { parseClaim } from '../../src/volumes/claim.ts';
import { parseClassParameters } from '../../src/volumes/class-parameters.ts';
import { parseMountFlags } from '../../src/volumes/mount-flags.ts';
import { parsePoolPath, parsePoolUuid } from '../../src/volumes/pool-path.ts';
import { parseVolumeContext } from '../../src/volumes/volume-context.ts';
import { bytesOf, isDriverError, never, type Parser } from './parser.ts';

const uuid = '5abd31f0-4bce-4daf-a068-54da58959a2a';
const words = [
  uuid,
  'pool',
  'path',
  'access',
  '../',
  '/.meta',
  '__proto__',
  'constructor',
  '=',
  '\0',
  '\n',
  'é',
];
/** More than any caller can send of a text. */
const textBytes = 1 << 16;

function textParser(
  name: string,
  covers: readonly string[],
  samples: readonly string[],
  run: (text: string) => unknown,
): Parser {
  return {
    name,
    covers,
    samples: bytesOf(...samples),
    words,
    maximumBytes: textBytes,
    share: 1.5,
    run: (input) => kindOf(run(input.toString())),
    isAnswer: isDriverError,
  };
}

/** What was read, but for text itself: every other path would be another kind of answer. */
function kindOf(result: unknown): unknown {
  return typeof result === 'string' ? 'text' : result;
}

/** `key=value` lines as a map, such as attributes of a volume. */
function mapOf(text: string): Record<string, string> {
  const pairs = text.split('\n').map((line): [string, string] => {
    const at = line.indexOf('=');
    return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
  });
  return Object.fromEntries(pairs);
}

const texts: readonly Parser[] = [
  textParser('pool UUID', ['parsePoolUuid'], [uuid, uuid.toUpperCase()], (text) =>
    parsePoolUuid(text, 'pool'),
  ),
  textParser('pool path', ['parsePoolPath'], ['v/abc', 'models/llama', 'é/名'], (text) =>
    parsePoolPath(text, 'path'),
  ),
  textParser('mount flags', ['parseMountFlags'], ['ro', 'ro\nexec', 'noexec\nnosuid\nnodev'], (text) =>
    parseMountFlags(text.split('\n')),
  ),
  textParser(
    'volume context',
    ['parseVolumeContext'],
    [
      `pool=${uuid}\npath=models/llama`,
      `pool=${uuid}\npath=v/x\naccess=rw\ncsi.storage.k8s.io/ephemeral=true`,
    ],
    (text) => parseVolumeContext(mapOf(text)),
  ),
  textParser(
    'class parameters',
    ['parseClassParameters'],
    ['pool=a,b\nlayout=file', 'layout=files\nfileCount=4\nfileMode=0640\nuid=1\ngid=2'],
    (text) => parseClassParameters(mapOf(text)),
  ),
  textParser(
    'claim of a volume',
    ['parseClaim'],
    ['csi.storage.k8s.io/pvc/namespace=team-a\ncsi.storage.k8s.io/pvc/name=weights.v2', 'pool=a'],
    (text) => parseClaim(mapOf(text)) === undefined,
  ),
  textParser(
    'socket address',
    ['parseSocketAddress'],
    ['unix:///csi/csi.sock', 'unix:/a', '/a/b'],
    parseSocketAddress,
  ),
  configOf('configuration of the node role', nodeRole, ['--node-id=n1', '--node-id\nn1\n--log-level=debug']),
  configOf('configuration of the mounter role', mounterRole, [
    '--kubelet-dir=/a,/b',
    '--pools=all\n--allow-writes=never',
  ]),
  {
    ...textParser('durations and quantities', [], ['10s', '1.5h', '250ms', '17'], (text) => [
      valueOr(() => durationMs.parse(text)),
      valueOr(() => positiveInteger.parse(text)),
    ]),
    isAnswer: never,
  },
];

function configOf(name: string, role: RoleOptions<OptionTable>, samples: readonly string[]): Parser {
  const flags = Object.values(role.options).map(({ flag }) => `--${flag}`);
  const parser = textParser(
    name,
    [],
    samples,
    (text) => Object.keys(readConfig(role, text.split('\n'), {})).length,
  );
  return { ...parser, words: [...words, ...flags, '\n--', '=true', '1e9', '999999999h'], share: 0.1 };
}

/** Value types refuse with a plain Error whose message ends a sentence; anything else goes through. */
function valueOr(parse: () => unknown): unknown {
  try {
    return typeof parse();
  } catch (error) {
    if (error instanceof Error && error.constructor === Error) return 'refused';
    throw error;
  }
}

const mountCapability = { mount: { mountFlags: ['ro'] }, accessMode: { mode: 3 } };
const publishBytes = nodeService.methods.nodePublishVolume.request.encode({
  volumeId: 'static-1',
  targetPath: '/var/lib/kubelet/pods/1/volumes/x/mount',
  readonly: true,
  volumeContext: { pool: uuid, path: 'models/llama' },
  secrets: { token: 'x' },
  volumeCapability: mountCapability,
});
const createBytes = controllerService.methods.createVolume.request.encode({
  name: 'pvc-1',
  capacityRange: { requiredBytes: 1n << 30n, limitBytes: 0n },
  volumeCapabilities: [mountCapability],
  parameters: { pool: 'a', layout: 'files', fileCount: '3' },
  accessibilityRequirements: { requisite: [{ segments: { [`topology.famfs.io/pool-${uuid}`]: 'true' } }] },
});
const capabilityCodec = messageType(csiRoot, 'csi.v1.VolumeCapability');

function requestParser<Request>(
  name: string,
  covers: readonly string[],
  codec: Codec,
  sample: Buffer,
  parse: (request: Request) => unknown,
): Parser {
  return {
    name,
    covers: ['decodeRequest', ...covers],
    samples: [sample],
    words,
    maximumBytes: textBytes,
    share: 1,
    run(input) {
      const request = decodeRequest(codec, input);
      if (request instanceof MalformedRequest) return 'malformed';
      parse(request as Request);
      codec.redact(request);
      return codec.encode(request).length > 0;
    },
    isAnswer: isDriverError,
  };
}

const registration = serviceType<pluginregistration.Registration>(
  registrationRoot,
  'pluginregistration.Registration',
);
const otherCodecs = [identityService, nodeService, controllerService, mounterService, registration]
  .flatMap(({ methods }) => Object.values(methods))
  .flatMap(({ request, response }) => [request, response]);

const requests: readonly Parser[] = [
  requestParser(
    'publish request',
    ['parsePublishRequest'],
    nodeService.methods.nodePublishVolume.request,
    publishBytes,
    (request: NodePublishVolumeRequest) => parsePublishRequest(request),
  ),
  requestParser(
    'create request',
    ['parseCreateRequest'],
    controllerService.methods.createVolume.request,
    createBytes,
    (request: CreateVolumeRequest) => parseCreateRequest(request),
  ),
  requestParser(
    'volume capability',
    ['parseCapability', 'parseCapabilities'],
    capabilityCodec,
    capabilityCodec.encode(mountCapability),
    (capability: VolumeCapability) => {
      parseCapabilities([capability]);
      return parseCapability(capability);
    },
  ),
  {
    name: 'messages of every service, kubelet’s and the mounter’s among them',
    covers: ['decodeRequest'],
    samples: [publishBytes, createBytes, Buffer.alloc(0)],
    words,
    maximumBytes: textBytes,
    share: 1,
    run(input) {
      const codec = otherCodecs[input.length % otherCodecs.length];
      const request = codec === undefined ? undefined : decodeRequest(codec, input);
      return [codec?.name, request instanceof MalformedRequest];
    },
    isAnswer: never,
  },
];

const frames: readonly Parser[] = [
  {
    name: 'frames of the mounter’s socket',
    covers: [],
    samples: [
      Buffer.concat([
        encodeRequest(1, encodePath('/famfs.mounter.v1.Mounter/Bind'), 1000, publishBytes),
        encodeError(2, 5, 'not-found', 'a sentence'),
        encodeCredit(3, 16),
      ]),
    ],
    maximumBytes: textBytes,
    share: 4,
    run: decodeFrames,
    isAnswer: (error) => error instanceof FrameError,
  },
];

function decodeFrames(input: Buffer): unknown {
  const kinds: number[] = [];
  const decoder = new FrameDecoder(1 << 16, (kind, _callId, body) => {
    kinds.push(kind);
    if (kind === frameKind.request) readRequest(body);
    if (kind === frameKind.error) readError(body);
    if (kind === frameKind.credit) readCredit(body);
  });
  const half = input.length >> 1;
  decoder.push(input.subarray(0, half));
  decoder.push(input.subarray(half));
  return kinds.slice(0, 4);
}

export const requestParsers: readonly Parser[] = [...texts, ...requests, ...frames];
