/** Return `act` as a function that runs once at a time, and once more if called meanwhile. */
export function inTurn(act) {
  let isDue = false;
  let running = null;
  const run = async () => {
    while (isDue) {
      isDue = false;
      await act();
    }
  };
  return () => {
    isDue = true;
    running ??= run().finally(() => (running = null));
    return running;
  };
}
