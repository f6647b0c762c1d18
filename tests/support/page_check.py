#!/usr/bin/python3
"""Opens a page in headless Chromium, as four readers would: page_check.py PAGE [--shots FOLDER]

Prints as JSON, by view ("wide light", "phone dark" and so on): errors (of the console, of scripts, of the policy),
requests (each beyond the page itself), charts (each with its size on the page, whether it has words for who cannot see
it, how much it draws, how many of its marks
have no colour of the page, and the rows of its table), overflow (whether the page is wider than the screen), and duplicates
(ids used twice). --shots writes a picture of each view. Speaks the DevTools protocol over a pipe.
"""
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile

VIEWS = {"wide light": (1000, 900, False, "light"), "wide dark": (1000, 900, False, "dark"),
         "phone light": (375, 740, True, "light"), "phone dark": (375, 740, True, "dark")}
LOOK = """(() => {
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  return JSON.stringify({
    charts: [...document.querySelectorAll('figure')].map((figure) => {
      const shown = [...figure.querySelectorAll('[role=img]')].filter((e) => e.getClientRects().length > 0);
      const box = shown.length === 1 ? shown[0].querySelector('svg').getBoundingClientRect() : {width: 0, height: 0};
      const marks = shown.length === 1 ? shown[0].querySelectorAll('polygon, path, text') : [];
      return {shown: shown.length, width: Math.round(box.width), height: Math.round(box.height), marks: marks.length,
              words: shown.length === 1 ? shown[0].getAttribute('aria-label') : null,
              unpainted: [...marks].filter((e) => e.tagName !== 'path' && getComputedStyle(e).fill === 'rgb(0, 0, 0)'
                || /rgb/.test(e.getAttribute('fill') + e.getAttribute('stroke'))).length,
              rows: figure.querySelectorAll('details table tbody tr').length};
    }),
    overflow: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    duplicates: ids.filter((id, at) => ids.indexOf(id) !== at),
    background: getComputedStyle(document.body).backgroundColor,
    height: document.documentElement.scrollHeight,
  });
})()"""


class Browser:
    def __init__(self, folder):
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                 "--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(["sh", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "sh", *words],
                                        pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.reader, self.writer, self.number, self.events, self.rest = ours_in, ours_out, 0, [], b""

    def message(self):
        while b"\0" not in self.rest:
            got = os.read(self.reader, 1 << 20)
            if not got:
                raise SystemExit("chromium ended")
            self.rest += got
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, **parameters):
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if session:
            request["sessionId"] = session
        os.write(self.writer, json.dumps(request).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message())

    def stop(self):
        self.call("Browser.close")
        self.process.wait()


def look(browser, address, width, height, phone, scheme, shot):
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Network", "Runtime", "Log"):
        browser.call(f"{domain}.enable", session)
    browser.call("Emulation.setDeviceMetricsOverride", session, width=width, height=height, deviceScaleFactor=1, mobile=phone)
    browser.call("Emulation.setEmulatedMedia", session, features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.events.clear()
    browser.call("Page.navigate", session, url=address)
    browser.wait_for("Page.loadEventFired")
    found = json.loads(browser.call("Runtime.evaluate", session, expression=LOOK)["result"]["value"])
    if shot:
        clip = {"x": 0, "y": 0, "width": width, "height": found["height"], "scale": 1}
        picture = browser.call("Page.captureScreenshot", session, clip=clip, captureBeyondViewport=True)
        shot.write_bytes(base64.b64decode(picture["data"]))
    events = [(event["method"], event["params"]) for event in browser.events if "method" in event]
    found["requests"] = [each["request"]["url"] for name, each in events
                         if name == "Network.requestWillBeSent" and each["request"]["url"] != address]
    found["errors"] = [json.dumps(each) for name, each in events
                       if name in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")]
    browser.call("Target.closeTarget", targetId=target)
    return found


def main():
    page = pathlib.Path(sys.argv[1]).resolve()
    shots = pathlib.Path(sys.argv[3]) if sys.argv[2:3] == ["--shots"] else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        found = {name: look(browser, page.as_uri(), *view, shots and shots / f"{name.replace(' ', '-')}.png")
                 for name, view in VIEWS.items()}
        browser.stop()
    print(json.dumps(found, indent=1))


main()
