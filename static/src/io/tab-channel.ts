/** A line to the other tabs of this browser. What one tab says, all others on the line hear, in that order. */
export type Channel<Said> = {
  readonly say: (message: Said) => void;
  readonly close: () => void;
};
export type OpenChannel = <Said, Heard>(name: string, onHeard: (message: Heard) => void) => Channel<Said>;

export const openBroadcastChannel: OpenChannel = <Said, Heard>(
  name: string,
  onHeard: (message: Heard) => void,
): Channel<Said> => {
  const channel = new BroadcastChannel(name);
  // Only this site's own scripts can speak here.
  channel.onmessage = ({ data }: MessageEvent<Heard>) => onHeard(data);
  return {
    say: (message) => channel.postMessage(message),
    close: () => channel.close(),
  };
};
