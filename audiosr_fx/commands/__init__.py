"""The commands of ``audiosr-fx``, one file each. torch is imported inside them, so that help is quick."""
