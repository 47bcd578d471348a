"""Files from people and from video servers are decoded in processes of their own, with limits.

A few bytes can unpack to gigabytes or keep a decoder busy for minutes, and decoders have bugs. So
each file gets a new process, without the bot's secrets, which the operating system limits.
"""
