"""A child for the tests of ``child_process``: it does what its command line says."""

from __future__ import annotations

import os
import signal
import sys
import time

from audiosr_fx.child_voice import Voice

if __name__ == "__main__":
    voice = Voice()
    for word in sys.argv[1:]:
        match word:
            case "echo":
                voice.say({"heard": sys.stdin.buffer.readline().decode("utf-8")})
            case "inherited":
                voice.say({"content": os.pread(int(sys.stdin.buffer.readline()), 100, 0).decode("utf-8")})
            case "environment":
                voice.say({"environment": os.environ["OF_A_CHILD"]})
            case "print":
                print("to stdout from Python", flush=True)
                os.write(1, b"to stdout from C\n")
            case "no-json":
                voice._out.write("no JSON\n")
            case "silent":
                time.sleep(600)
            case "voiceless":
                voice._out.close()
                time.sleep(600)
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "fail":
                sys.exit("the last words")
