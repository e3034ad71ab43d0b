/** What the system says of the network. "Online" is a hint; "offline" can be believed. */
export interface Network {
  isOnline(): boolean;
  onOnline(run: () => void): void;
  onOffline(run: () => void): void;
}

export function browserNetwork(scope: WorkerGlobalScope): Network {
  return {
    isOnline: () => scope.navigator.onLine,
    onOnline: (run) => scope.addEventListener("online", run),
    onOffline: (run) => scope.addEventListener("offline", run),
  };
}
