// What the famfs commands of a node write down about themselves: who runs what from when to when. For tests of what may
// run beside what.
import type { ClusterNode } from '../cluster-node.ts';

/** A command as it stands in the account. */
export interface AccountedCommand {
  /** Of the command, and of its process group. */
  readonly pid: number;
  /** The process that started it. */
  readonly starter: number;
  readonly verb: string;
  /** Its last argument. */
  readonly subject: string;
  /** Undefined until it has ended, and for good when it was killed. */
  status: number | undefined;
  /** The commands that ran when it began. */
  readonly beside: readonly AccountedCommand[];
}

/** From now on the commands of the node that use a pool's log are accounted for. */
export function keepAccount(node: ClusterNode): void {
  node.clearNotes();
  node.spoil(`
    case "$1" in creat|mkdir|logplay|fsck)
      for last; do :; done
      echo "begin $$ $PPID $1 $last" >> $NOTES
      "$REAL" "$@"; status=$?
      echo "end $$ $status" >> $NOTES
      exit $status ;;
    esac`);
}

/** The account so far. Of a command that was killed (`killed` has its pid) nobody says when it ended. */
export function readAccount(node: ClusterNode, killed: ReadonlySet<number>): AccountedCommand[] {
  const commands: AccountedCommand[] = [];
  const running = new Map<number, AccountedCommand>();
  for (const note of node.notes()) {
    const [what, pid, second, verb = '', ...subject] = note.split(' ');
    if (what === 'end') {
      const ended = running.get(Number(pid));
      if (ended !== undefined) ended.status = Number(second);
      running.delete(Number(pid));
      continue;
    }
    const command = {
      pid: Number(pid),
      starter: Number(second),
      verb,
      subject: subject.join(' '),
      status: undefined,
      beside: [...running.values()].filter((other) => !killed.has(other.pid)),
    };
    running.set(command.pid, command);
    commands.push(command);
  }
  return commands;
}
